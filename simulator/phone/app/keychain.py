"""Where the app keeps secrets."""


class Keychain:
    """Secrets by account. Nothing but `secret` ever shows one."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}

    def keep(self, account: str, secret: str) -> None:
        """Store or replace the secret of an account."""
        self._secrets[account] = secret

    def secret(self, account: str) -> str:
        """The secret of an account. Raises KeyError if there is none."""
        return self._secrets[account]

    def forget(self, account: str) -> None:
        """Delete the secret of an account, if there is one."""
        self._secrets.pop(account, None)

    def __repr__(self) -> str:
        return f"Keychain({len(self._secrets)} secrets)"
