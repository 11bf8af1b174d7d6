"""The time, and what happened in it: the journal as it is written, the deliveries, and forgetting all of it between two tests."""

from typing import Annotated

import msgspec

from simulator.apns.delivery.service import LogEntry
from simulator.journal import Entry
from simulator.lab.control.route import Body, Call, Fields, Query, Route, Stream, encode
from simulator.lab.errors import Unknown


class SetClock(Body):
    """`now` in UNIX seconds, not before the present."""

    now: float


class AdvanceClock(Body):
    """How many seconds pass."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=10 * 365 * 86_400)]


def _time(call: Call) -> Fields:
    return {"clock": {"kind": call.lab.clock_kind, "now": call.lab.clock.now()}}


async def show_clock(call: Call) -> Fields:
    """The time in UNIX seconds, and whether it is real."""
    return _time(call)


async def set_clock(call: Call) -> Fields:
    """Turn the clock to a time; everything due until then happens, in order."""
    body: SetClock = call.body
    await call.lab.advance(body.now - call.lab.clock.now())
    return _time(call)


async def advance_clock(call: Call) -> Fields:
    """Let seconds pass."""
    body: AdvanceClock = call.body
    await call.lab.advance(body.seconds)
    return _time(call)


CLOCK_ROUTES = (
    Route("GET", "/control/clock", "the time", show_clock),
    Route("POST", "/control/clock", "turn the virtual clock to a time", set_clock, SetClock),
    Route(
        "POST", "/control/clock/advance", "let seconds pass on the virtual clock", advance_clock, AdvanceClock
    ),
)


class Filter(Query):
    """`where` is a part ("apns", "phone"), `what` a kind of entry."""

    where: str | None = None
    what: str | None = None

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is wanted."""
        return self.where in (None, entry.where) and self.what in (None, entry.what)


class Filters(Filter):
    """`since` is UNIX seconds; of what is left, the newest `limit` entries are shown."""

    since: float = 0.0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200


def entry_fields(entry: Entry) -> Fields:
    """`{at, where, what, detail}`; `at` is UNIX seconds."""
    return {"at": entry.at, "where": entry.where, "what": entry.what, "detail": entry.detail}


async def list_entries(call: Call) -> Fields:
    """The newest entries, oldest first."""
    query: Filters = call.query
    found = call.lab.journal.entries(query.where, query.what, query.since)
    return {"entries": [entry_fields(entry) for entry in found[-query.limit :]]}


async def stream_events(call: Call) -> Stream:
    """Every entry from now on, as Server-Sent Events."""
    query: Filter = call.query
    return Stream(call.lab.feed.stream(lambda entry: _event(entry) if query.takes(entry) else None))


def _event(entry: Entry) -> bytes:
    return b"data: " + encode(entry_fields(entry)) + b"\n\n"


JOURNAL_ROUTES = (
    Route(
        "GET",
        "/control/journal",
        "what happened; filters where, what, since, limit",
        list_entries,
        query=Filters,
    ),
    Route(
        "GET",
        "/control/events",
        "the same as it happens, as Server-Sent Events; filters where, what",
        stream_events,
        query=Filter,
    ),
)


class DeliveryQuery(Query):
    """`token` is a whole device token or its last 8 digits; of what is left, the newest `limit` are listed."""

    apns_id: str | None = None
    token: str | None = None
    channel_id: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200


def _logged(entry: LogEntry) -> Fields:
    """APNs' own words: received, and then stored, sent or discarded and why; times are UNIX seconds."""
    fields: Fields = msgspec.to_builtins(entry)
    fields["steps"] = [step._asdict() for step in entry.steps]
    return fields | {"outcome": entry.outcome, "why": entry.why}


def _is_of(detail: Fields, apns_ids: set[str], unique_ids: set[str], names: tuple[str, str]) -> bool:
    """Whether a journal entry is about one of these pushes; the unique id decides where there is one."""
    apns_id, unique_id = (str(detail.get(name) or "").lower() for name in names)
    return unique_id in unique_ids if unique_id else apns_id in apns_ids


def _about(entries: list[Entry], apns_ids: set[str], unique_ids: set[str], *names: str) -> list[Fields]:
    first, second = names
    return [entry_fields(one) for one in entries if _is_of(one.detail, apns_ids, unique_ids, (first, second))]


async def list_deliveries(call: Call) -> Fields:
    """The log of accepted pushes, oldest first."""
    query: DeliveryQuery = call.query
    found = call.lab.sandbox.delivery_log.entries(
        apns_id=query.apns_id, token=query.token, channel_id=query.channel_id
    )
    return {"deliveries": [_logged(entry) for entry in found[-query.limit :]]}


async def show_delivery(call: Call) -> Fields:
    """All that is known of the push with this apns-id or apns-unique-id, sent once or again."""
    wanted = call.path["id"].lower()
    log, journal = call.lab.sandbox.delivery_log, call.lab.journal
    by_unique_id = log.find(wanted)
    logged = log.entries(apns_id=wanted) if by_unique_id is None else [by_unique_id]
    apns_ids = {entry.apns_id.lower() for entry in logged} or {wanted}
    unique_ids = {entry.unique_id.lower() for entry in logged}
    answers = _about(journal.entries("apns", "push"), apns_ids, unique_ids, "apns_id", "apns_unique_id")
    if not logged and not answers:
        raise Unknown(f"no push has the apns-id or apns-unique-id {call.path['id']!r}")
    phone = _about(journal.entries("phone"), apns_ids, unique_ids, "apnsID", "apnsUniqueID")
    return {"answers": answers, "deliveries": [_logged(entry) for entry in logged], "phone": phone}


DELIVERY_ROUTES = (
    Route(
        "GET",
        "/control/deliveries",
        "accepted pushes; filters apns_id, token (its end), channel_id, limit",
        list_deliveries,
        query=DeliveryQuery,
    ),
    Route(
        "GET",
        "/control/deliveries/{id}",
        "one push by apns-id or apns-unique-id: APNs' answers, its log, and what the phone did",
        show_delivery,
    ),
)


async def reset(call: Call) -> Fields:
    """No faults, no stored pushes, empty screens, empty journal; keys, apps, devices and their tokens stay."""
    call.lab.reset()
    return {}


RESET_ROUTES = (Route("POST", "/control/reset", "forget what happened; keys, apps and tokens stay", reset),)
