"""Opening and closing the database, and bringing its tables up to date."""

import asyncio
import sqlite3
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.connection import get_connection
from tortoise.exceptions import BaseORMException
from tortoise.migrations.executor import MigrationExecutor

from relay.errors import CommandError

APP = "relay"
CONNECT_SECONDS = 10.0
MIGRATE_PAUSE = 1.0
SQLITE_DEFAULTS = {"synchronous": "NORMAL", "busy_timeout": "5000"}
"""WAL is Tortoise's default; with it, NORMAL survives a killed process and halves the cost of a write."""


class DatabaseError(CommandError):
    """The database cannot be used; the text says what failed, without the password in its URL."""


def orm_config(database_url: str) -> dict[str, Any]:
    """Tortoise's configuration; its command-line tool (`tortoise -c relay.server.store.database.CONFIG`) reads the same."""
    return {
        "connections": {"default": _with_defaults(database_url)},
        "apps": {
            APP: {
                "models": ["relay.server.store.models"],
                "default_connection": "default",
                "migrations": "relay.server.store.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


def _with_defaults(database_url: str) -> str:
    url = urlsplit(database_url)
    if url.scheme != "sqlite":
        return database_url
    query = urlencode(SQLITE_DEFAULTS | dict(parse_qsl(url.query)))
    # urlunsplit would drop the empty host of sqlite://file
    return f"sqlite://{url.netloc}{url.path}?{query}"


CONFIG = orm_config("sqlite://relay.sqlite3")
"""For `tortoise makemigrations`, which needs some database to name."""


async def open_database(database_url: str) -> BaseDBAsyncClient:
    """A connection (pool) with its tables up to date. Raises DatabaseError."""
    if database_url.startswith("mysql") and find_spec("asyncmy"):
        raise DatabaseError(
            "asyncmy is installed and Tortoise would use it in place of aiomysql: uninstall it"
        )
    try:
        _probe_file(database_url)
        async with asyncio.timeout(CONNECT_SECONDS):
            await Tortoise.init(config=orm_config(database_url), _enable_global_fallback=True)
            connection = get_connection("default")
            await connection.execute_query("SELECT 1")
        await migrate()
    except Exception as error:  # drivers raise whatever a URL, a server or a file made them stumble over
        with suppress(Exception):
            await close_database()
        _refuse(database_url, error)
    return connection


def _probe_file(database_url: str) -> None:
    """Open an SQLite file once without aiosqlite, whose thread outlives a failed open and writes a traceback."""
    if database_url.startswith("sqlite:"):
        sqlite3.connect(expand_db_url(database_url)["credentials"]["file_path"]).close()


async def close_database() -> None:
    """Close all connections."""
    await Tortoise.close_connections()


async def migrate() -> list[str]:
    """Apply the migrations that are missing; returns their names. Safe when two processes start together."""
    executor = MigrationExecutor(get_connection("default"), orm_config("")["apps"])
    for attempt in range(3):
        pending = [step.migration.name for step in await executor.plan()]
        if not pending:
            return pending
        try:
            await executor.migrate(direction="forward")
        except BaseORMException:
            # Another process is creating the same tables: plan again when it had time to finish.
            if attempt == 2:
                raise
            await asyncio.sleep(MIGRATE_PAUSE * (1 + attempt))
        else:
            return pending
    return []


def _refuse(database_url: str, error: Exception) -> NoReturn:
    url = urlsplit(database_url)
    where = urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))
    raise DatabaseError(f"cannot use the database {where}: {_why(error)}") from error


def _why(error: BaseException) -> str:
    """The driver's own words: Tortoise wraps some into a dump of all its parameters."""
    while isinstance(error, BaseORMException) and isinstance(error.__context__, Exception):
        error = error.__context__
    return str(error) or type(error).__name__
