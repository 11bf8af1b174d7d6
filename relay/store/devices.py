"""Queries on device_registration: the phones of each secret."""

import uuid

from relay.contract import ApnsEnv, DeviceRegister
from relay.planner import Recipient
from relay.store.sql import Database

_REGISTERED_AGAIN = ("bundle_id", "apns_env", "push_to_start_token", "activity_format", "updated_at")


async def register(
    db: Database, device: DeviceRegister, *, secret_hash: str, bundle_id: str, now_ms: int
) -> None:
    """Remember the phone; registering again updates its app, environment, push-to-start token and time."""
    row = {
        "id": str(uuid.uuid4()),
        "secret_hash": secret_hash,
        "device_token": device.device_token.lower(),
        "bundle_id": bundle_id,
        "apns_env": device.apns_env,
        "push_to_start_token": device.push_to_start_token and device.push_to_start_token.lower(),
        "activity_format": device.activity_format,
        "created_at": now_ms,
        "updated_at": now_ms,
    }
    await db.upsert("device_registration", [row], key="secret_hash, device_token", updated=_REGISTERED_AGAIN)


async def unregister(db: Database, *, secret_hash: str, device_token: str) -> None:
    """Forget the phone; no error if it was not there."""
    await db.execute(
        "DELETE FROM device_registration WHERE secret_hash = ? AND device_token = ?",
        [secret_hash, device_token.lower()],
    )


async def recipients(db: Database, secret_hash: str) -> list[Recipient]:
    """The phones of a secret, in the order in which they came."""
    _, rows = await db.execute(
        "SELECT id, device_token, bundle_id, apns_env, updated_at FROM device_registration "
        "WHERE secret_hash = ? ORDER BY created_at, id",
        [secret_hash],
    )
    return [
        Recipient(row["id"], row["device_token"], row["bundle_id"], row["apns_env"], row["updated_at"])
        for row in rows
    ]


async def forget(db: Database, device_id: str, *, registered_before_ms: int) -> bool:
    """Remove a dead token, unless the phone registered again at or after that time."""
    count, _ = await db.execute(
        "DELETE FROM device_registration WHERE id = ? AND updated_at < ?", [device_id, registered_before_ms]
    )
    return count > 0


async def remember_environment(db: Database, device_id: str, apns_env: ApnsEnv) -> None:
    """The token turned out to belong to the other environment. Its registration keeps its time."""
    await db.execute("UPDATE device_registration SET apns_env = ? WHERE id = ?", [apns_env, device_id])


async def count(db: Database) -> int:
    """Registered phones."""
    _, rows = await db.execute("SELECT COUNT(*) AS n FROM device_registration")
    return int(rows[0]["n"])
