"""The comparisons as they are run, with few events: real relays, the naive build, Locust, phones behind APNs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests import bench, comparisons
from loadtests.barrage import barrage, read
from loadtests.processes import StartError, python, used, wait_for
from loadtests.servers import DatabaseServer, mariadb, running

SECRET = "a-secret-of-this-test"


def test_both_builds_carry_every_event_to_every_phone_once() -> None:
    rows = list(comparisons.builds(rounds=1, events=20))
    assert {row["build"] for row in rows} == {"relay", "naive"}
    assert sum(row[fault] for row in rows for fault in bench.FAULTS) == 0
    assert all(row["events"] == 20 and row["relay_us"] > 0 for row in rows)


def test_locust_writes_its_report_and_an_unknown_phone_counts_as_lost_and_miscounted(tmp_path: Path) -> None:
    with running(tmp_path, processes=2) as servers:
        servers.phones.pair(servers.urls[0], SECRET, 1)
        load: dict[str, Any] = {"secrets": [SECRET], "events": 10, "users": 4}
        report = tmp_path / "fanout"
        whole = barrage(servers, tmp_path, name="x", phones=1, report=report, **load)
        reported, cpu, lag = read(tmp_path / "sent.txt")
        missing = barrage(servers, tmp_path, name="y", phones=2, straggle=0.5, **load)
    assert whole.accounts.faults == 0
    assert {path.name for path in tmp_path.glob("fanout*")} >= {"fanout.html", "fanout_stats.csv"}
    assert "/v1/event,10,0," in (tmp_path / "fanout_stats.csv").read_text()
    assert len(reported) == 10
    assert cpu > 0
    assert lag >= 0
    assert (missing.accounts.lost, missing.accounts.miscounted, missing.accounts.refused) == (10, 10, 0)


async def test_a_lookup_is_measured_with_as_many_rows_as_asked(tmp_path: Path) -> None:
    rows = await comparisons.growth(tmp_path, [300, 3000], lookups=20)
    assert [row["rows"] for row in rows] == [300, 3000]
    assert all(row["lookup_us"] > 0 for row in rows)


def test_a_process_that_ends_at_once_says_why(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        python("relay", ["serve"], {}, log) as process,
        pytest.raises(StartError, match="APNS_TEAM_ID is missing"),
    ):
        wait_for(lambda: False, process, log)


@pytest.mark.mariadb
def test_the_database_is_a_server_of_its_own_whose_processor_is_measured() -> None:
    with mariadb() as database:
        if database is None:
            pytest.skip("MariaDB is not installed")
        assert used({"database": [database.pid]})["database"] > 0


@pytest.mark.mariadb
def test_two_processes_on_mariadb_lose_nothing(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite is for one process")
    database = DatabaseServer(database_url, os.getpid())
    rows = list(comparisons.processes(database, rounds=1, events=20))
    assert [(row["processes"], row["share_of_core"]) for row in rows] == [
        (2, 0.25),
        (1, 0.25),
        (2, 1),
        (1, 1),
    ]
    assert sum(row[fault] for row in rows for fault in bench.FAULTS) == 0


def test_the_transports_are_measured_side_by_side() -> None:
    rows = list(comparisons.transports(rounds=1, pushes=20))
    assert {(row["client"], row["in_flight"]) for row in rows} == {
        (client, load) for client in ("lean", "aioapns") for load in (200, 10, 1, "far")
    }
    assert all(row["pushes_per_core"] > 0 for row in rows)


def test_an_interrupted_run_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[dict[str, Any]]:
        yield {"comparison": "rows", "rows": 1000, "lookup_us": 100.0}
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.main(["--out", str(tmp_path)])
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["finished"], [row["rows"] for row in found["rows"]]) == (False, [1000])
