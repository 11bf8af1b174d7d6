"""`relay log`: which deliveries it finds, on both databases, and what it prints."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

import outcomes
from outcomes import ALERT, answered, maybe_sent
from relay.apns.push import Outcome
from relay.contract import DeviceRegister
from relay.errors import CommandError
from relay.server import log_command
from relay.server.alerts import result_of
from relay.server.delivery import Delivery
from relay.server.hours import HourlyCounts
from relay.server.log_command import Question
from relay.server.metrics import HOUR_MS, Recorder
from relay.server.store import deliveries, devices, hours, log, secrets
from relay.server.store.database import close_database, open_database, opened
from relay.server.store.delivery_rows import MOST_PAST
from relay.server.store.log import FROM_THE_END, Wanted
from relay.server.store.sql import Database
from waiting import eventually

NOW = 1_700_000_000_000
SECRETS = {"a": "aa" * 32, "b": "bb" * 32}
PHONE = "ab" * 32
REFUSED, UNAVAILABLE = answered(410, "Unregistered"), answered(503, "ServiceUnavailable")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await open_database(database_url)
    yield Database(connection)
    await close_database()


async def write(db: Database, number: int, *attempts: Outcome, secret: str = "a", at: int = NOW) -> Delivery:
    """A delivery, planned so many seconds after `at`, and how its attempts ended. The secret has one phone."""
    secret_hash = SECRETS[secret]
    await devices.register(
        db,
        DeviceRegister(secret="s" * 16, device_token=PHONE),
        secret_hash=secret_hash,
        bundle_id="com.example.app",
        now_ms=at,
    )
    (phone,) = await devices.recipients(db, secret_hash)
    made = outcomes.delivery(
        at + number * 1000, push=replace(ALERT, device_token=PHONE, payload=b'{"aps":"PRIVATE"}')
    )
    push = replace(made.push, apns_id=f"{number:08x}-0000-5000-8000-00000000000{secret}")
    one = replace(
        made, push=push, secret_hash=secret_hash, event_id=f"evt_{number}", device_id=phone.device_id
    )
    await deliveries.enqueue(db, [one], owner="host:1", lease_until=0)
    time = one.created_at
    for outcome in attempts:
        found = await deliveries.claim_due(db, owner="host:1", now_ms=time, lease_until=time + 1, limit=1)
        (claimed,) = found.deliveries
        ended = result_of(claimed, outcome, at=time + 100, latency_ms=43)
        await deliveries.save(db, [ended])
        time = ended.due_at
    return one


def numbers(found: list[log.Logged]) -> list[int]:
    return [int(one.id[:8], 16) for one in found]


class Case(NamedTuple):
    wanted: Wanted
    found: list[int]


CASES = {
    "all": Case(Wanted(), [5, 4, 3, 2, 1]),
    "of a secret": Case(Wanted(SECRETS["a"]), [4, 3, 1]),
    "failed": Case(Wanted(status="failed"), [5, 3]),
    "failed of a secret": Case(Wanted(SECRETS["a"], "failed"), [3]),
    "since": Case(Wanted(since_ms=NOW + 4000), [5, 4]),
    "failed since": Case(Wanted(status="failed", since_ms=NOW + 4000), [5]),
}


async def five(db: Database) -> None:
    await write(db, 1, answered(200))
    await write(db, 2, answered(200), secret="b")
    await write(db, 3, REFUSED)
    await write(db, 4, answered(200))
    await write(db, 5, REFUSED, secret="b")


async def test_which_deliveries_are_found_page_by_page(db: Database) -> None:
    """Whether an index leads to few rows, or the newest of all are looked through in windows of two."""
    await five(db)
    for name, (wanted, expected) in CASES.items():
        for limit in (1, 2, 9):
            for searched in (1, 2, 100):
                found: list[log.Logged] = []
                place: log.Position | None = FROM_THE_END
                while place is not None:
                    page = await log.newest(db, wanted, limit=limit, before=place, searched=searched)
                    assert len(page.found) <= limit
                    found += page.found
                    place = page.older
                assert numbers(found) == expected, (name, limit, searched)


async def test_every_attempt_is_remembered_and_no_text(db: Database) -> None:
    await write(db, 1, UNAVAILABLE, maybe_sent("the connection broke"), answered(200))
    (one,) = (await log.newest(db, Wanted(), limit=9)).found
    assert [(each.number, each.http_status, each.reason, each.error) for each in one.past_attempts] == [
        (1, 503, "ServiceUnavailable", None),
        (2, None, None, "the connection broke"),
    ]
    assert (one.attempts, one.http_status, one.status) == (3, 200, "sent")
    assert "PRIVATE" not in repr(one)
    assert not hasattr(one, "payload")


async def test_of_very_many_attempts_the_newest_are_remembered(db: Database) -> None:
    await write(db, 1, *[UNAVAILABLE] * (MOST_PAST + 5))
    (one,) = (await log.newest(db, Wanted(), limit=9)).found
    assert [each.number for each in one.past_attempts] == list(range(6, MOST_PAST + 6))


async def test_hours_are_counted_of_all_relays_together_and_written_again_without_harm(db: Database) -> None:
    hour = NOW // 3_600_000 * 3_600_000
    key = (hour, "alert", "sent", "none")
    for run, number in (("one", 3), ("one", 5), ("other", 2)):
        await hours.save(db, {key: number, (hour - 3_600_000, "alert", "failed", "Unregistered"): 1}, run=run)
    assert [tuple(each) for each in await hours.since(db, hour - 3_600_000)] == [
        (hour - 3_600_000, "alert", "failed", "Unregistered", 2),
        (*key, 7),
    ]
    await hours.forget(db, before_ms=hour)
    assert [each.number for each in await hours.since(db, 0)] == [7]


async def test_hours_that_are_over_leave_the_memory_once_they_are_written_down(db: Database) -> None:
    """Also where more is counted while they are being written down."""
    recorder, time = Recorder(), NOW / 1000
    hourly = HourlyCounts(db, recorder, lambda: time)
    key = (NOW // HOUR_MS * HOUR_MS, "alert", "sent", "none")
    recorder.hours[key] += 2
    saving = asyncio.create_task(hourly.save())
    await asyncio.sleep(0)
    recorder.hours[key] += 1
    time += 3600
    await saving
    assert recorder.hours[key] == 3
    await hourly.save()
    assert dict(recorder.hours) == {}
    assert [each.number for each in await hours.since(db, 0)] == [3]
    await hourly.save()
    await hourly.forget(before_ms=NOW)
    assert await hours.since(db, 0) == []


class Printed:
    """`relay log`, asked in this process."""

    def __init__(self, url: str) -> None:
        self.lines: list[str] = []
        self.stop = asyncio.Event()
        self.url = url

    async def ask(self, **question: Any) -> list[str]:
        self.lines.clear()
        await log_command.answer(self.url, Question(**question), self.lines.append, self.stop)
        return self.lines


@pytest.fixture
async def printed(tmp_path: Any) -> Printed:
    url = f"sqlite://{tmp_path}/relay.sqlite3"
    db = Database(await open_database(url))
    await five(db)
    await close_database()
    return Printed(url)


async def test_the_newest_come_last(printed: Printed) -> None:
    lines = await printed.ask()
    assert [line[-8:] for line in lines if not line.startswith(" ")] == [f"0000000{n}" for n in range(1, 6)]
    assert lines[3] == "    410 Unregistered: The device token is inactive for the specified topic."
    assert not any(PHONE in line or "PRIVATE" in line for line in lines)
    assert [line[-8:] for line in await printed.ask(last=1, secret="aaaaaaaaaaaa…")] == ["00000004"]
    assert len(await printed.ask(failed=True)) == 4
    entries = [json.loads(line) for line in await printed.ask(as_json=True, since=1.0e9)]
    assert [one["eventID"] for one in entries] == [f"evt_{n}" for n in range(1, 6)]
    assert await printed.ask(since=0.001) == ["no delivery is in the log like that"]
    assert await printed.ask(since=0.001, as_json=True) == []


async def test_a_secret_that_has_a_name_goes_by_it(printed: Printed) -> None:
    async with opened(printed.url) as db:
        await secrets.add(db, SECRETS["b"], name="Everybody-at-home", now_ms=NOW)
    lines = await printed.ask(secret="everybody-AT-home", columns=80)
    assert [line[44:59] for line in lines if not line.startswith(" ")] == ["Everybody-at…  "] * 2
    (text,) = await printed.ask(delivery="00000002", as_json=True)
    assert json.loads(text)["secretName"] == "Everybody-at-home"


async def test_in_a_terminal_no_line_is_longer_and_nothing_is_lost(printed: Printed) -> None:
    for question in ({}, {"delivery": "00000003"}):
        whole = await printed.ask(**question)
        words = " ".join(whole).split()
        for columns in (80, 60):
            lines = await printed.ask(columns=columns, **question)
            assert max(map(len, lines)) <= columns
            assert " ".join(lines).split() == words


async def test_the_story_of_one(printed: Printed) -> None:
    lines = await printed.ask(delivery="00000003-0000…")
    assert lines[0] == "alert 00000003-0000-5000-8000-00000000000a  failed"
    assert "  phone    …abababab, registered" in lines
    assert lines[-1] == "  It failed and is not tried again."
    (text,) = await printed.ask(delivery="00000003", as_json=True)
    assert json.loads(text)["attempts"][0]["reason"] == "Unregistered"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"delivery": "0000"}, "at least 6 characters of the delivery's id"),
        ({"delivery": "99999999"}, "no delivery has an id that begins with '99999999'"),
        ({"delivery": "000000"}, "several deliveries have an id"),
        ({"secret": "aa"}, "no secret has the name 'aa'; of a secret's hash give at least 6 characters"),
        ({"secret": "cccccc"}, "no secret has a hash that begins with 'cccccc'"),
    ],
)
async def test_what_is_not_clear_is_a_sentence(printed: Printed, question: dict[str, str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        await printed.ask(**question)


async def test_it_follows(printed: Printed, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """What is new, and what goes on; each state once, until it is stopped."""
    monkeypatch.setattr(log_command, "FOLLOW_SECONDS", 0.01)
    following = asyncio.create_task(printed.ask(follow=True, last=1))
    await eventually(lambda: len(printed.lines) == 2)
    from tortoise.connection import get_connection

    db = Database(get_connection("default"))
    waits = await write(db, 6)
    await eventually(lambda: "queued" in printed.lines[-1])
    found = await deliveries.claim_due(
        db, owner="host:1", now_ms=NOW + 9000, lease_until=NOW + 10_000, limit=1
    )
    (claimed,) = found.deliveries
    await deliveries.save(db, [result_of(claimed, answered(200), at=NOW + 9000)])
    await eventually(lambda: "sent" in printed.lines[-1])
    monkeypatch.setattr(log_command, "MOST", 1)  # so few are remembered, then
    for number in range(7, 13):
        await write(db, number, answered(200))
        await eventually(lambda number=number: printed.lines[-1].endswith(f"{number:08x}"))
    printed.stop.set()
    lines = (await following)[:4]
    assert [line.split()[2] for line in lines if line.endswith(waits.push.apns_id[:8])] == ["queued", "sent"]
    assert len(lines) == 4
