"""What a case asserts: of the answer, the connection, the device, and the delivery log."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from simulator.conform.bench import Bench
from simulator.conform.cases import CaseError
from simulator.conform.client import goaway_reason
from simulator.conform.provider_tokens import APP
from simulator.conform.sending import send

Json = dict[str, Any]
UPPER_UUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\Z")
LONGEST_AGO_MS = 30 * 86_400_000


async def check(bench: Bench, assertion: Json) -> None:
    """Raises CaseError if the assertion is unknown or does not hold."""
    for name, wanted in assertion.items():
        if name not in CHECKS:
            raise CaseError(f"unknown assertion {name!r}")
        await CHECKS[name](bench, wanted)


def _equal(what: str, found: Any, wanted: Any) -> None:
    if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
        raise CaseError(f"{what} is {found!r}, expected {wanted!r}")


def _table(name: str, read: Callable[[Bench], Json]) -> Callable[[Bench, Any], Awaitable[None]]:
    """A check of several values by key: `read` gives what there is to compare."""

    async def compare(bench: Bench, wanted: Json) -> None:
        found = read(bench)
        for key, value in wanted.items():
            if key not in found:
                raise CaseError(f"unknown key {key!r} in assertion {name!r}")
            _equal(f"{name}.{key}", found[key], value)

    return compare


def _value(name: str, read: Callable[[Bench], Any]) -> Callable[[Bench, Any], Awaitable[None]]:
    async def compare(bench: Bench, wanted: Any) -> None:
        _equal(name, read(bench), wanted)

    return compare


# The answer.


async def _response_headers(bench: Bench, wanted: Json) -> None:
    headers = bench.answer.headers
    for name, kind in wanted.items():
        if kind not in HEADER_KINDS:
            raise CaseError(f"unknown kind of header {kind!r}")
        sent = (bench.request.get("headers") or {}).get(name)
        if not HEADER_KINDS[kind](headers.get(name), sent and bench.names.text(str(sent))):
            raise CaseError(f"response header {name} is {headers.get(name)!r}, expected {kind}")


HEADER_KINDS: dict[str, Callable[[str | None, str | None], bool]] = {
    "present": lambda found, _: bool(found),
    "absent": lambda found, _: found is None,
    "echo": lambda found, sent: found is not None and found == sent,
    "uuid-upper": lambda found, _: found is not None and bool(UPPER_UUID.match(found)),
}


async def _response_body(bench: Bench, wanted: Json | str) -> None:
    if wanted == "empty":
        _equal("the body", bytes(bench.answer.body), b"")
        return
    if not isinstance(wanted, dict):
        raise CaseError(f"unknown response_body {wanted!r}")
    for key, kind in wanted.items():
        if kind not in BODY_KINDS:
            raise CaseError(f"unknown kind of value {kind!r}")
        if not BODY_KINDS[kind](bench.answer.fields.get(key), bench.clock.now() * 1000):
            raise CaseError(f"body key {key} is {bench.answer.fields.get(key)!r}, expected {kind}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


BODY_KINDS: dict[str, Callable[[Any, float], bool]] = {
    "array": lambda value, _: isinstance(value, list),
    "integer": lambda value, _: _is_integer(value),
    "string": lambda value, _: isinstance(value, str),
    "ms-since-1970": lambda value, now: _is_integer(value) and now - LONGEST_AGO_MS <= value <= now,
}


# The connection.


def _settings(bench: Bench) -> Json:
    connection = bench.connection_of_case()
    limits = connection.stream_limits
    changed_at, current = limits[-1] if limits else (0, None)
    return {
        "first_max_concurrent_streams": limits[0][1] if limits else None,
        "current_max_concurrent_streams": current,
        "raised_before_response": len(limits) > 1 and changed_at < (bench.answer.began_at or 0),
    }


async def _stream(bench: Bench, wanted: Json) -> None:
    unknown = set(wanted) - {"index", "status", "reset"}
    if unknown:
        raise CaseError(f"unknown key {unknown.pop()!r} in assertion 'stream'")
    index = wanted["index"]
    if not 0 < index <= len(bench.streams):
        raise CaseError(f"there is no request stream {index}, only {len(bench.streams)}")
    connection, stream_id = bench.streams[index - 1]
    answer = await connection.answer(stream_id)
    for key in wanted.keys() - {"index"}:
        _equal(f"stream {index} {key}", getattr(answer, key), wanted[key])


async def _connection(bench: Bench, wanted: Json) -> None:
    connection = bench.connection_of_case()
    error, debug = connection.goaway or (None, b"")
    reason = goaway_reason(debug)
    found: Json = {
        "http1_answer": connection.http1,
        "goaway": connection.goaway is not None,
        "goaway_error": error,
        "goaway_reason": reason,
        "ping_ack": bench.ping_acknowledged,
    }
    for key, value in wanted.items():
        if key == "state":
            _state(connection.refused, connection.closed, connection.goaway is not None, value)
        elif key not in found:
            raise CaseError(f"unknown key {key!r} in assertion 'connection'")
        else:
            _equal(f"connection.{key}", found[key], value)


def _state(refused: bool, closed: bool, goaway: bool, wanted: str) -> None:
    holds = {
        "open": not closed and not goaway,
        "closed": closed and not refused,
        "refused": refused,
        "refused_or_closed": closed,
    }
    if wanted not in holds:
        raise CaseError(f"unknown connection state {wanted!r}")
    if not holds[wanted]:
        state = "refused" if refused else "closed" if closed else "going away" if goaway else "open"
        raise CaseError(f"the connection is {state}, expected {wanted}")


async def _next_request(bench: Bench, wanted: Json) -> None:
    unknown = set(wanted) - {"after_s", "connection", "status", "reason"}
    if unknown:
        raise CaseError(f"unknown key {unknown.pop()!r} in assertion 'next_request'")
    missing = {"connection", "status", "reason"} - set(wanted)
    if missing:
        raise CaseError(f"assertion 'next_request' has no {', '.join(sorted(missing))}")
    await bench.advance(wanted.get("after_s", 0))
    if wanted["connection"] == "new":
        await bench.connect()
    elif wanted["connection"] != "same":
        raise CaseError(f"unknown connection {wanted['connection']!r}")
    answer = await send(bench, bench.request)
    _equal("the next request's status", answer.status, wanted["status"])
    _equal("the next request's reason", answer.fields.get("reason"), wanted["reason"])


# The device and the log.


def _notifications(bench: Bench) -> Json:
    shown = bench.phone.notifications if bench.phone.app.bundle_id == APP else []
    newest = shown[0] if shown else None
    return {
        "count": len(shown),
        "last_title": newest and newest.title,
        "last_body": newest and newest.body,
        "last_level": newest and newest.interruption_level,
    }


async def _log_contains(bench: Bench, wanted: str) -> None:
    if not any(wanted in line for line in bench.phone.log):
        raise CaseError(f"no line of the device's log contains {wanted!r}")


async def _activity(bench: Bench, wanted: Json) -> None:
    activity = bench.phone.activities.newest
    if activity is None:
        raise CaseError("there is no activity on the device")
    for key, value in wanted.items():
        if key == "content_state":
            if value not in ("request", "previous"):
                raise CaseError(f"unknown content_state {value!r}")
            _equal("activity.content_state", activity.content_state, bench.content_state(value))
        elif key not in ACTIVITY:
            raise CaseError(f"unknown key {key!r} in assertion 'activity'")
        else:
            _equal(f"activity.{key}", ACTIVITY[key](bench, activity), value)


ACTIVITY: dict[str, Callable[[Bench, Any], Any]] = {
    "state": lambda _, activity: activity.state,
    "visible": lambda _, activity: activity.visible,
    "island": lambda _, activity: activity.island,
    "update_token": lambda _, activity: activity.update_token_known,
    "alerts": lambda bench, activity: bench.alerts(activity),
}


async def _delivery(bench: Bench, wanted: Json) -> None:
    entry = bench.delivery()
    found = {"outcome": entry.outcome, "why": entry.why}
    for key, value in wanted.items():
        if key not in found:
            raise CaseError(f"unknown key {key!r} in assertion 'delivery'")
        _equal(f"delivery.{key}", found[key], value)


async def _budget(bench: Bench, wanted: Json) -> None:
    unknown = set(wanted) - {"kind", "remaining_delta"}
    if unknown:
        raise CaseError(f"unknown key {unknown.pop()!r} in assertion 'budget'")
    kind = wanted["kind"]
    if kind not in bench.budgets_before:
        raise CaseError(f"unknown budget {kind!r}")
    _equal(
        f"budget {kind} delta", bench.remaining(kind) - bench.budgets_before[kind], wanted["remaining_delta"]
    )


CHECKS: dict[str, Callable[[Bench, Any], Awaitable[None]]] = {
    "response_headers": _response_headers,
    "response_body": _response_body,
    "settings": _table("settings", _settings),
    "stream": _stream,
    "connection": _connection,
    "next_request": _next_request,
    "notifications": _table("notifications", _notifications),
    "badge": _value("badge", lambda bench: bench.phone.badge),
    "background_wakes": _value(
        "background_wakes", lambda bench: bench.phone.background_wakes - bench.wakes_before
    ),
    "nse_invocations": _value(
        "nse_invocations", lambda bench: bench.phone.nse_invocations - bench.nse_before
    ),
    "activities": _table(
        "activities",
        lambda bench: {
            "started": bench.started(),
            "active": len(bench.phone.activities.active),
        },
    ),
    "activity": _activity,
    "devices_updated": _value("devices_updated", lambda bench: bench.devices_updated()),
    "log_contains": _log_contains,
    "delivery": _delivery,
    "budget": _budget,
}
