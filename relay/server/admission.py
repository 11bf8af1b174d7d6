"""Which secrets the relay takes: every one, or only those that its operator knows (RELAY_REGISTRATION); never one that was revoked.

What a secret is, is asked of the database with every request, so that relays that share one agree and a revocation holds at once. A
secret that is not taken costs the same statements as one that is and has nothing registered: how long an answer takes says nothing.
"""

from collections.abc import Collection, Sequence
from typing import Final

from relay.contract import Refusal
from relay.server.store import secrets
from relay.server.store.sql import Database

SECRET_UNKNOWN: Final = Refusal(
    error="This relay takes only secrets that its operator knows, and this is none: ask the operator for one",
    code="secret_unknown",
)
SECRET_REPLACED: Final = Refusal(
    error="This secret was replaced by a new one, or revoked: scan the pairing code again",
    code="secret_replaced",
)


class SecretRefused(Exception):
    """The relay does not take the secret; `refusal` is the reply."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error)
        self.refusal = refusal


class Admission:
    """`known_only`: only secrets that the operator knows are taken."""

    def __init__(self, db: Database, *, known_only: bool = False) -> None:
        self._db, self._known_only = db, known_only

    async def refusals(self, secret_hashes: Sequence[str]) -> list[Refusal | None]:
        """For each secret why it is not taken; None: it is."""
        known, refused = await secrets.known_and_refused(self._db, secret_hashes)
        return [refusal_of(one, None if not self._known_only else known, refused) for one in secret_hashes]

    async def refusal(self, secret_hash: str) -> Refusal | None:
        """The same of one secret."""
        (found,) = await self.refusals([secret_hash])
        return found


def refusal_of(secret_hash: str, known: Collection[str] | None, refused: Collection[str]) -> Refusal | None:
    """`known` None: every secret is taken that is not refused. Pure."""
    if secret_hash in refused:
        return SECRET_REPLACED
    return SECRET_UNKNOWN if known is not None and secret_hash not in known else None
