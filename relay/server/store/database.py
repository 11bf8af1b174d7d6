"""Opening and closing the database, and bringing its tables up to date."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from random import uniform
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.connection import get_connection
from tortoise.exceptions import BaseORMException
from tortoise.migrations.executor import MigrationExecutor

from relay.errors import CommandError
from relay.log import line
from relay.server.store.sql import Database, Unavailable

log = logging.getLogger("relay.server.store")

APP = "relay"
CONNECT_SECONDS = 10.0
MIGRATE_PAUSE = 1.0
MIGRATE_TRIES = 10
"""Two relays that start together on an empty database get into each other's way at each of its tables."""
SQLITE_DEFAULTS = {"synchronous": "NORMAL", "busy_timeout": "5000", "secure_delete": "ON"}
"""WAL is Tortoise's default; with it, NORMAL survives a killed process and halves the cost of a write. `secure_delete`: texts of
pushes that have ended are overwritten with zeros and do not stay in free pages (SQLite, "PRAGMA secure_delete").
"""
OWNER_ONLY = 0o600
"""The file holds tokens and texts; SQLite gives -wal and -shm the mode of the database ("SQLite As An Application File Format")."""


CHARACTERS = "utf8mb4"
"""All of Unicode; what MySQL and MariaDB call utf8 or utf8mb3 has no emoji."""


SYNC_WAIT = 3
"""Galera: statements that read (1), and those that update or delete (2), wait until the node has what others committed before."""


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
        # Whatever the URL says: with another character set of the connection, an emoji arrives as a question mark.
        return urlunsplit(url._replace(query=urlencode(dict(parse_qsl(url.query)) | {"charset": CHARACTERS})))
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
        if database_url.startswith("mysql"):
            await _make_tables_hold_all_characters(connection)
            await _warn_of_stale_reads(connection)
    except Exception as error:  # drivers raise whatever a URL, a server or a file made them stumble over
        with suppress(Exception):
            await close_database()
        _refuse(database_url, error)
    return connection


def _probe_file(database_url: str) -> None:
    """Open an SQLite file once without aiosqlite, whose thread outlives a failed open and writes a traceback."""
    if not database_url.startswith("sqlite:"):
        return
    path = Path(expand_db_url(database_url)["credentials"]["file_path"])
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
    sqlite3.connect(path).close()
    for suffix in ("", "-wal", "-shm"):
        _close_to_others(path.with_name(path.name + suffix))


def _close_to_others(path: Path) -> None:
    """A file that an earlier relay left open to others is closed to them; one of another owner stays as its owner wants it."""
    try:
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(OWNER_ONLY)
    except OSError as error:
        log.warning(line("database file is open to others", file=path, error=error))


async def close_database() -> None:
    """Close all connections; an SQLite file keeps no log of what was overwritten."""
    with suppress(Exception):
        await Database(get_connection("default")).truncate_log()
    await Tortoise.close_connections()


@asynccontextmanager
async def opened(database_url: str, *, must_exist: bool = False) -> AsyncIterator[Database]:
    """The database for one command, beside a relay that runs or without one. Raises DatabaseError, also when it goes away.

    `must_exist`: who looks for what is there is not given an empty file.
    """
    if must_exist:
        _raise_if_missing(database_url)
    connection = await open_database(database_url)
    try:
        yield Database(connection)
    except Unavailable as error:
        raise DatabaseError(f"the database went away: {error}") from error
    finally:
        await close_database()


def _raise_if_missing(database_url: str) -> None:
    file = Path(database_url.removeprefix("sqlite://").partition("?")[0])
    if database_url.startswith("sqlite://") and not file.exists():
        raise DatabaseError(f"there is no database {file.absolute()}: DATABASE_URL says where the relay's is")


async def migrate() -> list[str]:
    """Apply the migrations that are missing; returns their names. Safe when two processes start together."""
    executor = MigrationExecutor(get_connection("default"), orm_config("")["apps"])
    for attempt in range(MIGRATE_TRIES):
        pending = [step.migration.name for step in await executor.plan()]
        if not pending:
            return pending
        try:
            await executor.migrate(direction="forward")
        except BaseORMException:
            # Another process is creating the same tables: plan again when it had time to finish.
            if attempt == MIGRATE_TRIES - 1:
                raise
            await asyncio.sleep(MIGRATE_PAUSE * uniform(0.5, 1.5))
        else:
            return pending
    return []


async def _make_tables_hold_all_characters(connection: BaseDBAsyncClient) -> None:
    """Tables of an earlier relay, or converted by hand, may have the server's default. Raises DatabaseError if they keep it."""
    for table in await _narrow_tables(connection):
        statement = f"ALTER TABLE {table} CONVERT TO CHARACTER SET {CHARACTERS}"
        try:
            await connection.execute_query(statement)
        except BaseORMException as error:
            raise DatabaseError(
                f"its table {table} cannot hold all characters, and the relay may not change that ({_why(error)}). "
                f"As a user who may, run: {statement}"
            ) from error
    if left := await _narrow_tables(connection):
        raise DatabaseError(
            f"its tables {', '.join(left)} cannot hold all characters even after they were converted"
        )


async def _narrow_tables(connection: BaseDBAsyncClient) -> list[str]:
    _, rows = await connection.execute_query(
        "SELECT DISTINCT table_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name IN ('device_registration', 'activity_registration', 'delivery_log', 'pending_request', 'known_secret') "
        "AND character_set_name <> %s ORDER BY table_name",
        [CHARACTERS],
    )
    return [row["name"] for row in rows]


async def _warn_of_stale_reads(connection: BaseDBAsyncClient) -> None:
    """A Galera node answers from what it has applied so far, unless it is told to wait for the rest ("Galera Cluster System Variables").

    The node's setting and not the session's: a proxy or a pool may hand each statement to another session.
    """
    _, rows = await connection.execute_query("SHOW VARIABLES LIKE 'wsrep%'")
    found = {row["Variable_name"]: row["Value"] for row in rows}
    if found.get("wsrep_on") == "ON" and (given := int(found["wsrep_sync_wait"])) & SYNC_WAIT != SYNC_WAIT:
        log.warning(
            line(
                "a phone that registers at another node may miss an event of the same moment",
                wsrep_sync_wait=given,
                advice=f"set wsrep_sync_wait={SYNC_WAIT} in the configuration of every node",
            )
        )


def _refuse(database_url: str, error: Exception) -> NoReturn:
    url = urlsplit(database_url)
    where = urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))
    raise DatabaseError(f"cannot use the database {where}: {_why(error)}") from error


def _why(error: BaseException) -> str:
    """The driver's own words: Tortoise wraps some into a dump of all its parameters."""
    while isinstance(error, BaseORMException) and isinstance(error.__context__, Exception):
        error = error.__context__
    return str(error) or type(error).__name__
