"""`relay phones` and `relay forget`: what the relay's database knows of phones, beside a relay that runs or without one."""

import time
from typing import Any

from relay.errors import CommandError
from relay.server.store import devices, secrets
from relay.server.store.database import opened

SHORTEST = 6
"""Characters of a secret's hash or of a token: fewer may be somebody else's by chance."""


class WhichPhone(CommandError):
    """What is to be forgotten is not clear."""


async def phones(database_url: str) -> list[str]:
    """A line for each phone, those of one secret together."""
    async with opened(database_url, must_exist=True) as db:
        names = {row["secret_hash"]: row["name"] for row in await secrets.known(db)}
        return [_line(row, names) for row in await devices.every(db)] or ["no phone is registered"]


async def forget(database_url: str, word: str) -> str:
    """Forget one secret, by the beginning of its hash, or one phone, by the end of its token; says what was. Raises WhichPhone."""
    word = word.strip("….").lower()
    if len(word) < SHORTEST:
        raise WhichPhone(f"give at least {SHORTEST} characters, as relay phones prints them")
    async with opened(database_url, must_exist=True) as db:
        rows = await devices.every(db)
        hashes = {row["secret_hash"] for row in rows if row["secret_hash"].startswith(word)}
        tokens = [row for row in rows if row["device_token"].endswith(word)]
        if len(hashes) + len(tokens) != 1:
            found = "nothing is" if not hashes and not tokens else "several are"
            raise WhichPhone(f"{found} called {word!r}: relay phones lists all")
        if hashes:
            count = await secrets.forget(db, hashes.pop())
            return f"forgot the secret and its {count} phone(s)"
        names = {name: tokens[0][name] for name in ("secret_hash", "device_token")}
        await secrets.forget_phone(db, **names)
        return f"forgot the phone …{names['device_token'][-8:]}"


def _line(row: Any, names: dict[str, str]) -> str:
    at = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(row["updated_at"] / 1000))
    cards = "  starts cards" if row["push_to_start_token"] else ""
    name = f" {names[row['secret_hash']]}" if row["secret_hash"] in names else ""
    return f"secret {row['secret_hash'][:12]}…{name}  phone …{row['device_token'][-8:]}  {row['bundle_id']} ({row['apns_env']})  {at}{cards}"
