"""Statements that the server undid, and those that it refused."""

from types import SimpleNamespace
from typing import Any

import pytest
from pymysql.err import OperationalError as DriverError
from tortoise.exceptions import OperationalError

from relay.server.store import sql
from relay.server.store.sql import AGAIN, Database, Unavailable

DEADLOCK = OperationalError(DriverError(1213, "Deadlock found when trying to get lock"))
GONE = OperationalError(DriverError(2013, "Lost connection to MySQL server during query"))
NOT_READY = OperationalError(DriverError(1047, "WSREP has not yet prepared node for application use"))
BARE = OperationalError("no such table: phones")


class Connection:
    """Fails as often as it should, then works."""

    capabilities = SimpleNamespace(dialect="mysql")

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.asked = list(faults), 0

    async def execute_query(self, _: str, __: list[Any]) -> tuple[int, list[Any]]:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        return 1, []


async def test_what_was_undone_for_another_is_sent_again() -> None:
    connection = Connection(DEADLOCK, DEADLOCK)
    assert await Database(connection).execute("UPDATE t SET a = ?", [1]) == (1, [])  # type: ignore[arg-type]
    assert connection.asked == 3


async def test_a_log_that_cannot_be_cut_leaves_the_patience_as_it_was() -> None:
    """Else every statement behind it would be refused where another program writes."""
    scripts: list[str] = []

    class File:
        capabilities = SimpleNamespace(dialect="sqlite")
        filename = "nowhere"

        async def execute_query(self, sql: str, _: list[Any]) -> tuple[int, list[Any]]:
            scripts.append(sql)
            return 1, [{"timeout": 5000}]

        async def execute_script(self, script: str) -> None:
            scripts.append(script)
            raise BARE

    with pytest.raises(Unavailable):
        await Database(File()).truncate_log()  # type: ignore[arg-type]
    assert scripts[-1] == "PRAGMA busy_timeout = 5000"


@pytest.mark.parametrize("number", sorted(AGAIN))
async def test_what_the_server_undoes_for_another_is_sent_as_often_as_it_takes(number: int) -> None:
    connection = Connection(*[OperationalError(DriverError(number, "again"))] * 30)
    assert await Database(connection).execute("UPDATE t SET a = ?", [1]) == (1, [])  # type: ignore[arg-type]
    assert connection.asked == 31


async def test_it_is_given_up_at_the_deadline_of_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "QUERY_SECONDS", 0.1)
    connection = Connection(*[DEADLOCK] * 100_000)
    with pytest.raises(Unavailable):
        await Database(connection).execute("UPDATE t SET a = ?", [1])  # type: ignore[arg-type]
    assert connection.asked > 1


async def test_a_node_without_its_cluster_is_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "NOT_READY_PAUSE", 0.001)
    connection = Connection(*[NOT_READY] * 30)
    assert await Database(connection).execute("UPDATE t SET a = ?", [1]) == (1, [])  # type: ignore[arg-type]
    assert connection.asked == 31


async def test_a_node_that_stays_without_its_cluster_is_given_up_long_before_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sql, "NOT_READY_SECONDS", 0.05)
    monkeypatch.setattr(sql, "NOT_READY_PAUSE", 0.001)
    connection = Connection(*[NOT_READY] * 100_000)
    with pytest.raises(Unavailable, match="not yet prepared"):
        await Database(connection).execute("UPDATE t SET a = ?", [1])  # type: ignore[arg-type]
    assert connection.asked > 1


@pytest.mark.parametrize(
    ("faults", "asked"),
    [([GONE], 1), ([BARE], 1), ([DEADLOCK, GONE], 2)],
    ids=["connection lost", "not the server's", "first undone, then lost"],
)
async def test_everything_else_is_for_the_caller(faults: list[Exception], asked: int) -> None:
    connection = Connection(*faults)
    with pytest.raises(Unavailable):
        await Database(connection).execute("UPDATE t SET a = ?", [1])  # type: ignore[arg-type]
    assert connection.asked == asked
