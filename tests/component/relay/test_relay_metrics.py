"""GET /metrics of the real app: what moves each series, on the databases that the relay knows, with an APNs sandbox behind it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from relay import __version__
from relay.apns.reasons import REASONS
from relay.http_errors import REFUSALS
from relay.server import metrics
from relay.server.metrics import CODES, SERIES
from relay_case import SECRET, RelayCase, relay_case

ADMIN = "an-admin-token-of-the-tests-of-metrics"
HEADERS = {"Authorization": f"Bearer {ADMIN}"}

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
async def case(database_url: str) -> AsyncIterator[RelayCase]:
    async with relay_case(RELAY_ADMIN_TOKEN=ADMIN, DATABASE_URL=database_url) as running:
        yield running


@pytest.fixture
async def sqlite_case(tmp_path: Path) -> AsyncIterator[RelayCase]:
    url = f"sqlite://{tmp_path}/relay.sqlite3"
    async with relay_case(RELAY_ADMIN_TOKEN=ADMIN, DATABASE_URL=url) as running:
        yield running


async def page(case: RelayCase) -> str:
    status, text = await case.answer("GET", "/metrics", headers=HEADERS)
    assert status == 200, text
    return text


async def samples(case: RelayCase) -> dict[Sample, float]:
    families = text_string_to_metric_families(await page(case))
    return {
        (one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples
    }


async def value(case: RelayCase, name: str, **labels: str) -> float:
    return (await samples(case))[name, frozenset(labels.items())]


ACTIVITY = {"sessionID": "ses_1", "activityToken": "cd" * 40}


async def an_alert(case: RelayCase) -> None:
    await case.phone()
    assert await case.event() == (1, 0, 0)


async def an_alert_that_waits(case: RelayCase) -> None:
    """APNs refuses the key: the push is queued, and tried again later."""
    await case.phone()
    case.refuse_key()
    assert await case.event() == (0, 0, 1)
    await case.turn(7)


async def a_card_whose_start_waits(case: RelayCase) -> None:
    """The key is refused for the start of a Live Activity."""
    case.refuse_key()
    await case.phone(pushToStartToken=case.token(kind="push-to-start"))
    await case.event("start")
    await case.turn(1)


async def a_card(case: RelayCase) -> None:
    await case.phone()
    await case.post("activity/register", **ACTIVITY)


async def a_request_that_is_no_json(case: RelayCase) -> None:
    for path in ("/v1/event", "/v1/device/register"):
        assert (await case.answer("POST", path, data="{"))[0] == 400


async def a_phone_of_a_replaced_secret(case: RelayCase) -> None:
    await case.post("secret/forget", refuse=True)
    body = f'{{"secret":"{SECRET}","deviceToken":"{"ab" * 32}"}}'
    assert (await case.answer("POST", "/v1/device/register", data=body))[0] == 403


async def a_body_that_is_too_large(case: RelayCase) -> None:
    assert (await case.answer("POST", "/v1/event", data=b" " * 70_000))[0] == 413


async def a_path_that_there_is_not(case: RelayCase) -> None:
    assert (await case.answer("GET", "/no-such-path"))[0] == 404


async def a_database_without_a_table(case: RelayCase) -> None:
    await case.rows("ALTER TABLE device_registration RENAME TO gone")
    body = f'{{"secret":"{SECRET}","eventType":"complete","sessionID":"ses_1"}}'
    assert (await case.answer("POST", "/v1/event", data=body))[0] == 503
    await case.rows("ALTER TABLE gone RENAME TO device_registration")


async def nothing(_: RelayCase) -> None:
    pass


Move = tuple[Callable[[RelayCase], Awaitable[None]], str, dict[str, str], float]
MOVES: dict[str, list[Move]] = {
    "relay_events_total": [(an_alert, "", {"type": "complete"}, 1)],
    "relay_pushes_total": [
        (an_alert, "", {"push_type": "alert", "status": "sent", "reason": "none"}, 1),
    ],
    "relay_push_duration_seconds": [(an_alert, "_count", {}, 1)],
    "relay_event_to_apns_seconds": [(an_alert, "_count", {}, 1)],
    "relay_queue_length": [
        (an_alert_that_waits, "", {"push_type": "alert"}, 1),
        (a_card_whose_start_waits, "", {"push_type": "liveactivity"}, 1),
    ],
    "relay_queue_oldest_seconds": [(an_alert_that_waits, "", {"push_type": "alert"}, 7)],
    "relay_phones": [(an_alert, "", {}, 1)],
    "relay_live_activities": [(a_card, "", {}, 1)],
    "relay_apns_key_paused": [(an_alert_that_waits, "", {"apns_env": "sandbox"}, 1)],
    "relay_apns_connections": [(an_alert, "", {"apns_env": "sandbox"}, 1)],
    "relay_requests_refused_total": [
        (a_request_that_is_no_json, "", {"code": "invalid_body"}, 2),
        (a_phone_of_a_replaced_secret, "", {"code": "secret_replaced"}, 1),
        (a_path_that_there_is_not, "", {"code": "not_found"}, 1),
    ],
    "relay_limits_hit_total": [(a_body_that_is_too_large, "", {"limit": "body"}, 1)],
    "relay_database_errors_total": [(a_database_without_a_table, "", {"kind": "unavailable"}, 1)],
    "relay_build_info": [],  # it cannot move; its own test is below
}
"""By series: what moves it, the sample and its labels, and by how much."""
OF_THE_DATABASE = {name for name in SERIES if "queue" in name or "database" in name} | {
    "relay_phones",
    "relay_live_activities",
}


def test_every_series_is_moved_here() -> None:
    assert set(MOVES) == set(SERIES)


async def _moved(case: RelayCase, name: str, move: Move) -> None:
    does, suffix, labels, by = move
    before = await value(case, name + suffix, **labels)
    await does(case)
    assert await value(case, name + suffix, **labels) - before == by


@pytest.mark.parametrize(
    ("name", "move"),
    [(name, move) for name, moves in MOVES.items() if name in OF_THE_DATABASE for move in moves],
)
async def test_what_the_database_knows(case: RelayCase, name: str, move: Move) -> None:
    await _moved(case, name, move)


@pytest.mark.parametrize(
    ("name", "move"),
    [(name, move) for name, moves in MOVES.items() if name not in OF_THE_DATABASE for move in moves],
)
async def test_what_is_counted(sqlite_case: RelayCase, name: str, move: Move) -> None:
    await _moved(sqlite_case, name, move)


async def test_a_pause_of_the_key_and_its_end(sqlite_case: RelayCase) -> None:
    case = sqlite_case
    await case.phone()
    good = case.refuse_key()
    assert await case.event(sessionID="ses_1") == (0, 0, 1)
    assert await case.event(sessionID="ses_2") == (0, 0, 1)
    case.key.public_key = good
    await case.turn(120)
    now = await samples(case)
    pushes = {
        dict(labels)["reason"]: number
        for (name, labels), number in now.items()
        if name == "relay_pushes_total" and ("push_type", "alert") in labels
    }
    # Refused once; while the key pauses nobody is asked, and no time is counted.
    assert pushes.pop("not_sent") >= 1
    assert pushes == {"none": 2, "InvalidProviderToken": 1}
    assert now["relay_push_duration_seconds_count", frozenset()] == 3
    assert now["relay_apns_key_paused", frozenset({("apns_env", "sandbox")})] == 0
    assert now["relay_queue_length", frozenset({("push_type", "alert")})] == 0
    assert now["relay_queue_oldest_seconds", frozenset({("push_type", "alert")})] == 0
    # Two alerts waited for as long as the key was refused.
    assert 120 <= now["relay_event_to_apns_seconds_sum", frozenset()] <= 240
    assert now["relay_event_to_apns_seconds_bucket", frozenset({("le", "30.0")})] == 0
    assert now["relay_event_to_apns_seconds_bucket", frozenset({("le", "+Inf")})] == 2


async def test_what_the_database_refuses_is_counted(sqlite_case: RelayCase) -> None:
    case = sqlite_case
    await case.phone()
    await case.rows("CREATE TRIGGER no BEFORE INSERT ON delivery_log BEGIN SELECT RAISE(ABORT, 'no'); END")
    body = f'{{"secret":"{SECRET}","eventType":"complete","sessionID":"ses_1"}}'
    assert (await case.answer("POST", "/v1/event", data=body))[0] == 422
    assert await value(case, "relay_database_errors_total", kind="refused") >= 1
    assert await value(case, "relay_requests_refused_total", code="not_stored") == 1
    assert await value(case, "relay_events_total", type="complete") == 0


async def test_while_the_database_is_away_the_rest_is_there(case: RelayCase) -> None:
    await an_alert(case)
    await case.rows("ALTER TABLE device_registration RENAME TO gone")
    names = {name for name, _ in await samples(case)}
    await case.rows("ALTER TABLE gone RENAME TO device_registration")
    assert "relay_phones" not in names
    assert {"relay_pushes_total", "relay_apns_connections", "relay_database_errors_total"} <= names
    assert await value(case, "relay_phones") == 1


async def test_the_page(sqlite_case: RelayCase) -> None:
    """Each series has its help text and its type, and only the labels of the table."""
    await an_alert(sqlite_case)
    text = await page(sqlite_case)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name, (kind, about, labels) in SERIES.items():
        family = families[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (kind if kind != "info" else "gauge", about)
        assert {one for sample in family.samples for one in sample.labels} - {"le"} == set(labels)
    (build,) = families["relay_build_info"].samples
    assert (build.labels["version"], build.value) == (__version__, 1)


async def test_openmetrics_is_spoken_too(sqlite_case: RelayCase) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    _, text = await sqlite_case.answer("GET", "/metrics", headers=HEADERS | accept)
    assert text.endswith("# EOF\n")
    assert {family.name for family in openmetrics(text)} >= {"relay_events", "relay_build", "relay_phones"}
    assert await sqlite_case.answer("HEAD", "/metrics", headers=HEADERS) == (200, "")


async def test_nothing_that_a_client_says_is_a_label(sqlite_case: RelayCase) -> None:
    """No secret, token, id, title or path; and no request makes a series more."""
    case = sqlite_case
    await an_alert(case)
    await a_request_that_is_no_json(case)
    before = set(await samples(case))
    hidden = [f"hidden{number}" for number in range(10)]
    for one in hidden:
        await case.answer("GET", f"/{one}")
        await case.answer("POST", f"/v1/{one}", data=one)
        await case.answer("PUT", "/v1/event", headers={"X-Hidden": one})
        body = {"sessionID": one, "title": one, "body": one, "eventID": one, "serverID": one}
        await case.event(**body)
    text = await page(case)
    assert "hidden" not in text
    assert SECRET not in text
    assert not re.search(r"[0-9a-f]{16}", text)
    assert set(await samples(case)) == before


def test_the_codes_are_those_of_the_replies() -> None:
    assert {refusal.code for refusal in REFUSALS.values()} < set(CODES)


def test_reasons_are_those_of_the_table() -> None:
    from outcomes import answered, maybe_sent, not_sent

    assert {metrics.reason_of(answered(row.status, name)) for name, row in REASONS.items()} == set(REASONS)
    others: list[Any] = [
        answered(200),
        answered(400, "MadeUp"),
        answered(500),
        not_sent("x"),
        maybe_sent("x"),
    ]
    assert [metrics.reason_of(one) for one in others] == ["none", "other", "other", "not_sent", "maybe_sent"]
