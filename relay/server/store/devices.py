"""Queries on device_registration: the phones of each secret."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from relay.contract import ApnsEnv, DeviceRegister
from relay.server.delivery import Recipient
from relay.server.store import deliveries
from relay.server.store.sql import Database

_REGISTERED_AGAIN = ("bundle_id", "apns_env", "kid", "updated_at")
_START_TOKEN = "push_to_start_token"  # noqa: S105 - a column's name
"""iOS hands it out late, or not at all at some launches: an app that sends none keeps the last, one that sends null none."""


async def register(
    db: Database, device: DeviceRegister, *, secret_hash: str, bundle_id: str, now_ms: int
) -> bool:
    """Remember the phone; registering again updates its app, environment, push-to-start token and time.

    Returns whether it has another push-to-start token than before.
    """
    start_token = device.push_to_start_token
    known = None
    if isinstance(start_token, str):
        known = await find(db, secret_hash=secret_hash, device_token=device.device_token)
    given = (_START_TOKEN,) if start_token is not UNSET else ()
    row = {
        "id": str(uuid.uuid4()),
        "secret_hash": secret_hash,
        "device_token": device.device_token.lower(),
        "bundle_id": bundle_id,
        "apns_env": device.apns_env,
        _START_TOKEN: start_token.lower() if isinstance(start_token, str) else None,
        "activity_format": device.activity_format,
        "kid": device.kid,
        "created_at": now_ms,
        "updated_at": now_ms,
    }
    await db.upsert(
        "device_registration",
        [row],
        key="secret_hash, device_token",
        updated=(*_REGISTERED_AGAIN, *given),
        kept=("activity_format",),
    )
    return (
        known is not None
        and isinstance(start_token, str)
        and known.push_to_start_token != start_token.lower()
    )


async def leave_out(db: Database, device: DeviceRegister, *, secret_hash: str) -> bool:
    """Keep no such phone, because its secret is not taken: as many statements as `register`, and no other start token."""
    if isinstance(device.push_to_start_token, str):
        await find(db, secret_hash=secret_hash, device_token=device.device_token)
    await unregister(db, secret_hash=secret_hash, device_token=device.device_token)
    return False


async def unregister(db: Database, *, secret_hash: str, device_token: str) -> None:
    """Forget the phone; no error if it was not there."""
    await db.execute(
        "DELETE FROM device_registration WHERE secret_hash = ? AND device_token = ?",
        [secret_hash, device_token.lower()],
    )


async def recipients(db: Database, secret_hash: str) -> list[Recipient]:
    """The phones of a secret, in the order in which they came."""
    (found,) = await deliveries.recipients_of(db, [secret_hash])
    return found


async def find(db: Database, *, secret_hash: str, device_token: str) -> Recipient | None:
    """One phone of a secret."""
    _, rows = await db.execute(
        f"{deliveries.PHONE} WHERE secret_hash = ? AND device_token = ?", [secret_hash, device_token.lower()]
    )
    return deliveries.recipient(rows[0]) if rows else None


async def is_there(db: Database, device_id: str) -> bool:
    """Whether the phone is registered."""
    _, rows = await db.execute("SELECT 1 AS n FROM device_registration WHERE id = ?", [device_id])
    return bool(rows)


async def forget(db: Database, device_id: str, *, registered_before_ms: int) -> bool:
    """Remove a dead token, unless the phone registered again at or after that time."""
    count, _ = await db.execute(
        "DELETE FROM device_registration WHERE id = ? AND updated_at < ?", [device_id, registered_before_ms]
    )
    return count > 0


async def forget_push_to_start(
    db: Database, device_id: str, token: str, *, registered_before_ms: int
) -> bool:
    """Remove a dead push-to-start token, unless the phone registered again at or after that time."""
    count, _ = await db.execute(
        "UPDATE device_registration SET push_to_start_token = NULL "
        "WHERE id = ? AND push_to_start_token = ? AND updated_at < ?",
        [device_id, token, registered_before_ms],
    )
    return count > 0


async def remember_environment(db: Database, device_id: str, apns_env: ApnsEnv) -> None:
    """The token turned out to belong to the other environment. Its registration keeps its time."""
    await db.execute("UPDATE device_registration SET apns_env = ? WHERE id = ?", [apns_env, device_id])


async def every(db: Database) -> Sequence[Any]:
    """All rows, those of a secret together, in the order in which they came. For an operator: it reads the whole table."""
    _, rows = await db.execute(
        "SELECT secret_hash, device_token, bundle_id, apns_env, push_to_start_token, updated_at "
        "FROM device_registration ORDER BY secret_hash, created_at, id"
    )
    return rows


class Phone(NamedTuple):
    """A registered phone as an operator sees it. `recipient` has its whole token: not for a page or a log."""

    id: str
    secret_hash: str
    recipient: Recipient
    created_at: int

    @property
    def token_suffix(self) -> str:
        """The end of its token."""
        return self.recipient.device_token[-8:]


_PHONE = deliveries.PHONE.replace("SELECT ", "SELECT created_at, ", 1)


def _phone(row: Any) -> Phone:
    return Phone(row["id"], row["secret_hash"], deliveries.recipient(row), row["created_at"])


async def one(db: Database, device_id: str) -> Phone | None:
    """One phone by its id."""
    _, rows = await db.execute(f"{_PHONE} WHERE id = ?", [device_id])
    return _phone(rows[0]) if rows else None


async def page(db: Database, *, beginning: str, after: str | None, limit: int) -> list[Phone]:
    """Phones of the secrets whose hash begins like that, those of one secret together; `after`: the id of the last one that was read."""
    order = "ORDER BY secret_hash, device_token LIMIT ?"
    last = await one(db, after) if after else None
    if last is None:
        _, rows = await db.execute(
            f"{_PHONE} WHERE secret_hash >= ? AND secret_hash < ? {order}",
            [beginning, f"{beginning}g", limit],
        )
        return [_phone(row) for row in rows]
    _, same = await db.execute(
        f"{_PHONE} WHERE secret_hash = ? AND device_token > ? {order}",
        [last.secret_hash, last.recipient.device_token, limit],
    )
    _, others = await db.execute(
        f"{_PHONE} WHERE secret_hash > ? AND secret_hash < ? {order}",
        [last.secret_hash, f"{beginning}g", limit - len(same)],
    )
    return [_phone(row) for row in (*same, *others)]


async def count(db: Database) -> int:
    """Registered phones."""
    _, rows = await db.execute("SELECT COUNT(*) AS n FROM device_registration")
    return int(rows[0]["n"])


async def count_up_to(db: Database, limit: int) -> int:
    """Registered phones, at most `limit`."""
    _, rows = await db.execute(
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM device_registration LIMIT ?) AS phones", [limit]
    )
    return int(rows[0]["n"])
