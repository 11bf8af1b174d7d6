"""Statements that both dialects understand: `?` for values, INSERT that ignores or updates what is there."""

import asyncio
import random
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from weakref import WeakValueDictionary

from aiomysql import MySQLError
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import BaseORMException, IntegrityError, OperationalError

from relay.server.metrics import Recorder
from relay.server.turns import Turns

QUERY_SECONDS = 8.0
"""A frozen server must not hold the relay for ever: the drivers have no deadline of their own."""

AGAIN = frozenset({1205, 1213, 3101, 8002, 8005, 8022, 8028, 9007})
"""The server undid the statement for the sake of another one's, and counts on it to come again: lock wait timeout and
deadlock (MySQL and MariaDB; "You must always be prepared to re-issue a transaction": MySQL, "Deadlocks in InnoDB"); another node of
the cluster was first, which Galera calls a deadlock, too, and Group Replication a rollback during commit; write conflicts and
outdated schemas (TiDB, "Error codes").
"""
AGAIN_PAUSE = 0.02
"""Seconds at most before it comes again, so that two do not meet in step."""
NOT_READY, NOT_READY_SECONDS, NOT_READY_PAUSE = 1047, 2.0, 0.1
"""A Galera node that has no majority beside it does nothing. It is asked again for so long, so that a short split is not noticed; then
the caller learns of it, who may know a relay at another node.
"""

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Results after which no statement will ever succeed (SQLite, Result and Error Codes)."""

Row = Mapping[str, Any]

ROWS_A_STATEMENT = 200
"""SQLite allows 32766 values in a statement; no table has 40 columns."""


class Unavailable(Exception):
    """The database could not be asked, or did not answer; whether it did what it was asked is not known."""


class Refused(Exception):
    """The database does not take a value: nothing of the statement was done, and sending it again would not help.

    The text is for the log; `why` says it in words that may leave the relay.
    """

    def __init__(self, error: object, why: str) -> None:
        super().__init__(str(error))
        self.why = why


_TOO_LONG, _NOT_IN_CHARACTERS = (
    "a text is too long for the table",
    "the table cannot hold a character of a text",
)
_NO_NUMBER, _RULE = "a number does not fit the table", "it breaks a rule of the table"
REFUSALS: dict[int, str] = {
    1048: _RULE,
    1062: _RULE,
    1153: _TOO_LONG,
    1264: _NO_NUMBER,
    1265: _RULE,
    1267: _NOT_IN_CHARACTERS,
    1366: _NOT_IN_CHARACTERS,
    1406: _TOO_LONG,
    1644: _RULE,
    3819: _RULE,
    3854: _NOT_IN_CHARACTERS,
    3988: _NOT_IN_CHARACTERS,
    4025: _RULE,
}
"""By MySQL's and MariaDB's number (their "Error codes"); 4025 is MariaDB's failed CHECK, 3819 MySQL's; 1644 a trigger's SIGNAL."""
_NEVER_SENT = (UnicodeError, OverflowError, sqlite3.ProgrammingError, sqlite3.DataError, TypeError)
"""What a driver says of a value that it cannot write, before it asks the database."""

_FAILURES = (BaseORMException, sqlite3.Error, MySQLError, OSError, RuntimeError)
"""Tortoise translates only some of what the drivers raise; TimeoutError is an OSError."""


class DatabaseFile:
    """SQLite's file. One that was deleted or replaced is still open, and what is written to it is read by nobody."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._opened = self._identity()

    @property
    def is_gone(self) -> bool:
        """Whether another file, or none, lies at its path."""
        return self._identity() != self._opened

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


STATEMENTS_AT_ONCE = 5
"""As many connections as Tortoise's pool has by default. SQLite's one thread has so always something to do."""


class _Gate:
    """So many statements are under way at once. Of those that wait every other one is the relay's own (it serves many secrets
    together, and little is under way of it at a time); the others' secrets take turns.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._own: deque[asyncio.Future[None]] = deque()
        self._others: Turns[str, asyncio.Future[None]] = Turns()
        self._own_was_last = False

    async def enter(self, secret_hash: str) -> None:
        """Wait for the turn of this secret ('': of the relay). `leave` must follow."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if secret_hash:
            self._others.append(secret_hash, turn)
        else:
            self._own.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came in the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """The next one's turn has come."""
        while self._own or self._others:
            self._own_was_last = bool(self._own) and not (self._own_was_last and self._others)
            turn = self._own.popleft() if self._own_was_last else self._others.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


@dataclass(slots=True)
class _Loss:
    """`event` is set when no waiting brings the database back; `why` says why."""

    event: asyncio.Event
    why: str = ""


class Database:
    """A connection (pool) and its dialect. `lost` is set when no waiting brings the database back; `why_lost` says why."""

    def __init__(self, connection: BaseDBAsyncClient, recorder: Recorder | None = None) -> None:
        self._connection, self._recorder = connection, recorder or Recorder()
        self._mysql = connection.capabilities.dialect == "mysql"
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._file = None if self._mysql else DatabaseFile(str(getattr(connection, "filename", "")))
        self._loss = _Loss(asyncio.Event())
        self._gate = _Gate(getattr(connection, "pool_maxsize", STATEMENTS_AT_ONCE))
        self._secret_hash = ""

    def of(self, secret_hash: str) -> Self:
        """The same database for work of one secret: its statements wait for themselves, and hold up no other secret's for longer
        than one of them takes.
        """
        if secret_hash == self._secret_hash:
            return self
        view = object.__new__(type(self))  # copy.copy takes ten times as long, and every event asks for one
        view.__dict__.update(self.__dict__, _secret_hash=secret_hash)
        return view

    @property
    def lost(self) -> asyncio.Event:
        """Set when no waiting brings the database back."""
        return self._loss.event

    @property
    def why_lost(self) -> str:
        """Words for the operator; '' while it is not lost."""
        return self._loss.why

    @property
    def is_shared(self) -> bool:
        """Whether other relays may serve it, too: a file of SQLite is one machine's."""
        return self._mysql

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[bool]:
        """One at a time for each key, in the order in which they came; says whether it had to wait."""
        lock = self._turns.get(key)
        if lock is None:
            lock = self._turns[key] = asyncio.Lock()
        waited = lock.locked()
        async with lock:
            yield waited

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> tuple[int, Sequence[Any]]:
        """Rows changed (or read), and the rows read. Raises Unavailable, or Refused."""
        if self._mysql:
            sql = sql.replace("%", "%%").replace("?", "%s")
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                done = await self._in_turn(sql, list(values))
        except _FAILURES + _NEVER_SENT as error:
            why = _refusal(error)
            self._recorder.database_error("refused" if why else "unavailable")
            if why:
                raise Refused(error, why) from error
            if getattr(error, "sqlite_errorcode", None) in _CORRUPT:
                self._lose(str(error))
            raise Unavailable(str(error) or type(error).__name__) from error
        # Only now: what was written meanwhile went into the old file.
        if self._file is not None and self._file.is_gone:
            self._lose("it was deleted or replaced")
            self._recorder.database_error("unavailable")
            raise Unavailable(self.why_lost)
        return done

    def _lose(self, why: str) -> None:
        path = self._file.path if self._file else ""
        self._loss.why = f"the database {path} is lost: {why}. Restore it, or remove it to begin anew, then start the relay"
        self.lost.set()

    async def _in_turn(self, sql: str, values: list[Any]) -> tuple[int, Sequence[Any]]:
        await self._gate.enter(self._secret_hash)
        try:
            return await self._undisturbed(sql, values)
        finally:
            self._gate.leave()

    async def _undisturbed(self, sql: str, values: list[Any]) -> tuple[int, Sequence[Any]]:
        """Again, if the server undid it because two statements met: one of them always gets through. For a while, if it is not ready."""
        gives_up = time.monotonic() + NOT_READY_SECONDS
        while True:
            try:
                return await self._connection.execute_query(sql, values)
            except OperationalError as error:
                number = _number(error)
                waits = number == NOT_READY and time.monotonic() < gives_up
                if number not in AGAIN and not waits:
                    raise
            await asyncio.sleep(random.uniform(0, NOT_READY_PAUSE if waits else AGAIN_PAUSE))

    async def truncate_log(self) -> None:
        """Bring what SQLite's write-ahead log holds into the file and cut the log to nothing: it keeps pages as they were, texts included
        (SQLite, "PRAGMA wal_checkpoint(TRUNCATE)"). Nothing to do for a server.

        It waits for nobody: while another program reads in a transaction, such as a backup, the log stays until the next time.
        """
        if self._mysql:
            return
        _, rows = await self.execute("PRAGMA busy_timeout")
        usual = f"PRAGMA busy_timeout = {rows[0]['timeout']}"
        try:
            # One call, so that no other statement comes in between and is refused because somebody else writes.
            async with asyncio.timeout(QUERY_SECONDS):
                await self._connection.execute_script(
                    f"PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE); {usual}"
                )
        except _FAILURES as error:
            await self.execute(usual)
            raise Unavailable(str(error) or type(error).__name__) from error

    async def insert_new(self, table: str, rows: Sequence[Row]) -> int:
        """Insert the rows whose id is not there yet; returns how many that were."""
        sql, values = _insert("INSERT", table, rows)
        # Not MySQL's INSERT IGNORE: that also cuts texts that are too long, and aiomysql warns of every row.
        sql += " ON DUPLICATE KEY UPDATE id = id" if self._mysql else " ON CONFLICT (id) DO NOTHING"
        count, _ = await self.execute(sql, values)
        return count

    async def delete_some(self, table: str, where: str, values: Sequence[Any], limit: int) -> int:
        """Delete up to `limit` rows for which it holds; returns how many. Two statements: no subquery in a DELETE, and no LIMIT, is
        understood everywhere.
        """
        _, rows = await self.execute(f"SELECT id FROM {table} WHERE {where} LIMIT ?", [*values, limit])
        if not rows:
            return 0
        ids = [row["id"] for row in rows]
        count, _ = await self.execute(
            f"DELETE FROM {table} WHERE id IN ({marks(ids)}) AND {where}", [*ids, *values]
        )
        return count

    async def upsert(
        self, table: str, rows: Sequence[Row], *, key: str, updated: Iterable[str], kept: Iterable[str] = ()
    ) -> None:
        """Insert the rows; where `key` is there already, set the `updated` columns, and the `kept` ones if not NULL."""
        sql, values = _insert("INSERT", table, rows)

        def new(name: str) -> str:
            # VALUES(), not MySQL 8's `AS new`: MariaDB has no such syntax.
            return f"VALUES({name})" if self._mysql else f"excluded.{name}"

        changes = [f"{name} = {new(name)}" for name in updated]
        changes += [f"{name} = COALESCE({new(name)}, {table}.{name})" for name in kept]
        clash = "ON DUPLICATE KEY UPDATE" if self._mysql else f"ON CONFLICT ({key}) DO UPDATE SET"
        await self.execute(f"{sql} {clash} {', '.join(changes)}", values)


def _number(error: BaseException) -> int | None:
    """The server's number. Tortoise wraps the driver's error, whose first argument it is."""
    causes = (error, *error.args)
    return next((cause.args[0] for cause in causes if isinstance(cause, MySQLError) and cause.args), None)


def _refusal(error: BaseException) -> str:
    """Why the database does not take a value; '' if that is not what happened."""
    if (number := _number(error)) is not None:
        return REFUSALS.get(number, "")
    if isinstance(error, IntegrityError):
        return _RULE
    if isinstance(error, UnicodeError):
        return _NOT_IN_CHARACTERS
    return _RULE if isinstance(error, _NEVER_SENT) and "closed" not in str(error) else ""


def _insert(verb: str, table: str, rows: Sequence[Row]) -> tuple[str, list[Any]]:
    columns = list(rows[0])
    line = f"({marks(columns)})"
    sql = f"{verb} INTO {table} ({', '.join(columns)}) VALUES {', '.join(line for _ in rows)}"
    return sql, [row[name] for row in rows for name in columns]


def marks(values: Iterable[Any]) -> str:
    """As many placeholders as values."""
    return ", ".join("?" for _ in values)


def chunks(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """The rows in portions that fit a statement."""
    return (rows[at : at + ROWS_A_STATEMENT] for at in range(0, len(rows), ROWS_A_STATEMENT))


async def apart(
    rows: Sequence[Row], write: Callable[[Sequence[Row]], Awaitable[None]]
) -> list[tuple[Row, Refused]]:
    """Write the rows; where the database refuses them together, by halves, so that only the culprits stay out. Returns these."""
    try:
        await write(rows)
    except Refused as error:
        if len(rows) == 1:
            return [(rows[0], error)]
    else:
        return []
    middle = len(rows) // 2
    return [*await apart(rows[:middle], write), *await apart(rows[middle:], write)]
