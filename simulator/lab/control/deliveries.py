"""APNs said 200, and this is what the phone did: both halves of a push, found by any of its ids."""

from typing import Annotated

import msgspec

from simulator.apns.delivery.service import LogEntry
from simulator.journal import Entry
from simulator.lab.control.journal import entry_fields
from simulator.lab.control.route import Call, Fields, Query, Route
from simulator.lab.errors import Unknown


class DeliveryQuery(Query):
    """`token` is a whole device token or its last 8 digits; of what is left, the newest `limit` are told."""

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


def _told(entries: list[Entry], apns_ids: set[str], unique_ids: set[str], *names: str) -> list[Fields]:
    first, second = names
    return [entry_fields(one) for one in entries if _is_of(one.detail, apns_ids, unique_ids, (first, second))]


async def index(call: Call) -> Fields:
    """The log of accepted pushes, oldest first."""
    query: DeliveryQuery = call.query
    found = call.lab.sandbox.delivery_log.entries(
        apns_id=query.apns_id, token=query.token, channel_id=query.channel_id
    )
    return {"deliveries": [_logged(entry) for entry in found[-query.limit :]]}


async def show(call: Call) -> Fields:
    """All that is known of the push with this apns-id or apns-unique-id, sent once or again."""
    wanted = call.path["id"].lower()
    log, journal = call.lab.sandbox.delivery_log, call.lab.journal
    by_unique_id = log.find(wanted)
    logged = log.entries(apns_id=wanted) if by_unique_id is None else [by_unique_id]
    apns_ids = {entry.apns_id.lower() for entry in logged} or {wanted}
    unique_ids = {entry.unique_id.lower() for entry in logged}
    answers = _told(journal.entries("apns", "push"), apns_ids, unique_ids, "apns_id", "apns_unique_id")
    if not logged and not answers:
        raise Unknown(f"no push has the apns-id or apns-unique-id {call.path['id']!r}")
    phone = _told(journal.entries("phone"), apns_ids, unique_ids, "apnsID", "apnsUniqueID")
    return {"answers": answers, "deliveries": [_logged(entry) for entry in logged], "phone": phone}


ROUTES = (
    Route(
        "GET",
        "/control/deliveries",
        "accepted pushes; filters apns_id, token (its end), channel_id, limit",
        index,
        query=DeliveryQuery,
    ),
    Route(
        "GET",
        "/control/deliveries/{id}",
        "one push by apns-id or apns-unique-id: APNs' answers, its log, and what the phone did",
        show,
    ),
)
