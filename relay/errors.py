"""Why a command of `relay` cannot do its work, in one sentence for the person who runs it.

CommandError                whatever a command cannot go on without; the command line prints it and exits with status 1
├── ServerNotInstalled      only what the bridge needs is installed
├── SettingsError, DatabaseError, StartError     of `relay serve` and `relay migrate`
└── BridgeError             of `relay bridge` and `relay pair`, with a tree of its own
"""

from collections.abc import Iterator
from contextlib import contextmanager


class CommandError(Exception):
    """The command cannot work like this; the text is one sentence that says what to do."""


class ServerNotInstalled(CommandError):
    """The packages that only the relay's server needs are not installed."""

    REMEDY = "pip install 'opencode-push-relay[server]'"

    def __init__(self) -> None:
        super().__init__(f"the packages of the relay's server are not installed: {self.REMEDY}")


@contextmanager
def server_packages() -> Iterator[None]:
    """Around imports from `relay.server`. Raises ServerNotInstalled if a package of others is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "relay":
            raise
        raise ServerNotInstalled from error
