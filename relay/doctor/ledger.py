"""What the relay's own database says of a test push, where the relay's settings are at hand."""

from collections.abc import Mapping
from pathlib import Path

from relay import contract
from relay.server import settings
from relay.server.settings import SettingsError
from relay.server.store.database import DatabaseError, close_database, open_database
from relay.server.store.sql import Database, Unavailable

_UNSENT = """
    SELECT token_suffix, apns_env, status, http_status, reason, error FROM delivery_log
    WHERE secret_hash = ? AND event_id = ? AND status <> 'sent'"""


async def unsent(environment: Mapping[str, str], event: contract.Event) -> list[str]:
    """For each push of the event that was not sent, why; empty if the database is not here, or does not say."""
    try:
        database_url = settings.load(environment).database_url
    except SettingsError:
        return []
    if not _is_there(database_url):
        return []
    try:
        return await _read(database_url, event)
    except (DatabaseError, Unavailable):
        return []


async def _read(database_url: str, event: contract.Event) -> list[str]:
    connection = await open_database(database_url)
    try:
        values = [contract.secret_hash(event.secret), event.event_id]
        _, rows = await Database(connection).execute(_UNSENT, values)
        return [_words(dict(row)) for row in rows]
    finally:
        await close_database()


def _words(row: Mapping[str, object]) -> str:
    said = [str(row[name]) for name in ("http_status", "reason", "error") if row[name]]
    return f"…{row['token_suffix']} ({row['apns_env']}) {row['status']}: {' '.join(said) or 'no answer yet'}"


def _is_there(database_url: str) -> bool:
    """The doctor makes no database."""
    if not database_url.startswith("sqlite://"):
        return True
    return Path(database_url.removeprefix("sqlite://").partition("?")[0]).exists()
