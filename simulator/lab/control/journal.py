"""What happened, as a list and as a stream."""

from typing import Annotated

import msgspec

from simulator.journal import Entry
from simulator.lab.control.route import Call, Fields, Query, Route, Stream


class Filter(Query):
    """`where` is a part ("apns", "phone"), `what` a kind of entry."""

    where: str | None = None
    what: str | None = None

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is wanted."""
        return self.where in (None, entry.where) and self.what in (None, entry.what)


class Filters(Filter):
    """`since` is UNIX seconds; of what is left, the newest `limit` entries are told."""

    since: float = 0.0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200


def entry_fields(entry: Entry) -> Fields:
    """`{at, where, what, detail}`; `at` is UNIX seconds."""
    return {"at": entry.at, "where": entry.where, "what": entry.what, "detail": entry.detail}


def plain(value: object) -> object:
    """What JSON has no word for, as text."""
    return str(value)


async def index(call: Call) -> Fields:
    """The newest entries, oldest first."""
    query: Filters = call.query
    found = call.lab.journal.entries(query.where, query.what, query.since)
    return {"entries": [entry_fields(entry) for entry in found[-query.limit :]]}


async def events(call: Call) -> Stream:
    """Every entry from now on, as Server-Sent Events."""
    query: Filter = call.query
    return Stream(call.lab.feed.stream(lambda entry: _event(entry) if query.takes(entry) else None))


def _event(entry: Entry) -> bytes:
    return b"data: " + msgspec.json.encode(entry_fields(entry), enc_hook=plain) + b"\n\n"


ROUTES = (
    Route(
        "GET", "/control/journal", "what happened; filters where, what, since, limit", index, query=Filters
    ),
    Route(
        "GET",
        "/control/events",
        "the same as it happens, as Server-Sent Events; filters where, what",
        events,
        query=Filter,
    ),
)
