"""`relay secret add | list | revoke`: the secrets that the relay's operator knows by name, beside a relay that runs or without one."""

import json
import re
import secrets as random
import time
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from relay import contract
from relay.errors import CommandError
from relay.server.phones import SHORTEST
from relay.server.settings import DatabaseSettings
from relay.server.store import secrets
from relay.server.store.database import opened
from relay.server.store.sql import Database, Refused

SECRET_BYTES: Final = 16
"""In hexadecimal digits, which no command line takes for an option."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")

USE: Final = """\
This is the secret of {name}, shown only now: whoever has it can push to its phones. On the machine of OpenCode, with the relay's URL:
  RELAY_SECRET=THE_SECRET relay pair --relay-url https://relay.example.com      (or --relay-secret THE_SECRET)
  RELAY_SECRET=THE_SECRET relay bridge --relay-url https://relay.example.com"""
ADDED: Final = "{name} is known now: its bridge and its phones are taken as they are"
OPEN: Final = "RELAY_REGISTRATION is open here: every secret is taken. With RELAY_REGISTRATION=known only those of relay secret list are."


class SecretError(CommandError):
    """The name or hash cannot be used."""


class Said(NamedTuple):
    """What a command prints: `result` on standard output, `notes` for the person who looks on."""

    result: str
    notes: str = ""


async def add(settings: DatabaseSettings, name: str, hash_: str | None) -> Said:
    """Make a secret, or know one that exists by its hash. Raises SecretError."""
    if not _NAME.fullmatch(name):
        raise SecretError("a name is 1 to 64 letters, digits, and . _ @ - after the first of them")
    secret = random.token_hex(SECRET_BYTES)
    async with opened(settings.database_url) as db:
        rows = await secrets.known(db)
        if same := _called(rows, name):
            raise SecretError(
                f"there is a secret called {same['name']}: relay secret list shows all, relay secret revoke takes one back"
            )
        added = await _existing(db, rows, hash_) if hash_ else contract.secret_hash(secret)
        try:
            await secrets.add(db, added, name=name, now_ms=int(time.time() * 1000))
        except Refused as error:  # somebody else has just added it
            raise SecretError(f"{name} cannot be added: {error.why}") from None
    notes = [
        *([] if hash_ else [USE.format(name=name)]),
        *([OPEN] if settings.relay_registration == "open" else []),
    ]
    return Said(ADDED.format(name=name) if hash_ else secret, "\n".join(notes))


def _called(known: Sequence[Any], name: str) -> Any:
    """The row of that name; capital letters make no other."""
    return next((row for row in known if row["name"].casefold() == name.casefold()), None)


async def _existing(db: Database, rows: Sequence[Any], given: str) -> str:
    """The hash that is meant: a whole one, or the beginning of one under which there are phones. Raises SecretError."""
    word = given.strip("….").lower()
    found = _meant(word, await secrets.phones_by_secret(db))
    _, refused = await secrets.known_and_refused(db, [found])
    if refused:
        raise SecretError("this secret was replaced or revoked, and is never taken again: relay secret add without --hash makes a new one")  # fmt: skip
    name = next((row["name"] for row in rows if row["secret_hash"] == found), None)
    if name:
        raise SecretError(f"this secret is known already, as {name}")
    return found


def _meant(word: str, with_phones: Collection[str]) -> str:
    if _HASH.fullmatch(word):
        return word
    found = [one for one in with_phones if one.startswith(word)] if len(word) >= SHORTEST else []
    if len(found) != 1:
        raise SecretError("--hash takes the 64 digits that relay doctor prints, or the beginning of one secret that relay phones prints, at least 6 of them")  # fmt: skip
    return found[0]


async def revoke(settings: DatabaseSettings, name: str) -> Said:
    """Forget all that is kept of the secret, and take it never again. Raises SecretError."""
    async with opened(settings.database_url, must_exist=True) as db:
        row = _called(await secrets.known(db), name)
        if row is None:
            raise SecretError(f"there is no secret called {name}: relay secret list shows all")
        # Refused first: from then on no phone comes that would not be forgotten.
        await secrets.refuse(db, row["secret_hash"], now_ms=int(time.time() * 1000))
        count = await secrets.forget(db, row["secret_hash"])
    return Said(f"revoked {row['name']}: its {count} phone(s) are forgotten, and the secret is never taken again")  # fmt: skip


async def listed(settings: DatabaseSettings, *, as_json: bool) -> Said:
    """The secrets that are known, and those that are not and have phones all the same."""
    async with opened(settings.database_url) as db:
        entries = _entries(await secrets.known(db), await secrets.phones_by_secret(db))
    if as_json:
        return Said(json.dumps(entries, indent=2))
    lines = [_line(one) for one in entries]
    strangers = any(one["name"] is None for one in entries) and settings.relay_registration == "known"
    return Said(
        "\n".join(lines) or "no secret is known: relay secret add NAME makes one",
        STRANGERS if strangers else "",
    )


STRANGERS: Final = "Those without a name are not taken here (RELAY_REGISTRATION is known): relay secret add NAME --hash HASH takes one."


def _entries(known: Sequence[Any], phones: dict[str, int]) -> list[dict[str, Any]]:
    named = [(row["name"], row["secret_hash"], row["created_at"]) for row in known]
    hashes = {row["secret_hash"] for row in known}
    strangers = [(None, one, None) for one in phones if one not in hashes]
    return [
        {"name": name, "secretHash": hash_, "addedAt": _utc(at), "phones": phones.get(hash_, 0)}
        for name, hash_, at in [*named, *strangers]
    ]


def _utc(at_ms: int | None) -> str | None:
    return None if at_ms is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))


def _line(entry: dict[str, Any]) -> str:
    since = f"  added {entry['addedAt'][:10]}" if entry["addedAt"] else ""
    return f"{entry['name'] or '(no name)':<20} secret {entry['secretHash'][:12]}…  {entry['phones']} phone(s){since}"
