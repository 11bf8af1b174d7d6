"""The newest requests that came to APNs, whole, refused ones too, and what became of each. In memory, and bounded. No I/O."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from simulator.apns.messages import Request
from simulator.journal import Entry

MOST_REQUESTS: Final = 500
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_STEPS: Final = 50
"""Of one request: a broadcast has some for each phone."""
NOT_KEPT: Final = "(signature not kept)"

_OVERHEAD: Final = 200  # bytes of a request's objects, about
_NAMES: Final = (("apns_unique_id", "apns_id"), ("apnsUniqueID", "apnsID"))
"""What a journal entry calls the ids of its push: the words of APNs, and those of the phone."""


@dataclass(slots=True)
class KeptRequest:
    """`number` counts from 1, `revision` grows with everything that happens to any request.

    `entry` is the journal's of the decision. `steps` are the later entries about this push, oldest first. The request is as
    it came, but for the signature of its provider token.
    """

    number: int
    request: Request
    entry: Entry
    size: int
    revision: int
    steps: list[Entry] = field(default_factory=list)


class RequestLog:
    """At most so many requests and so many bytes; the oldest go first."""

    def __init__(self, most: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: deque[KeptRequest] = deque()
        self._by_id: dict[str, KeptRequest] = {}
        self._bytes = 0
        self._count = 0
        self.revision = 0
        """Of the newest change; it never goes back."""
        self.cleared_at = 0
        """The revision at which all was forgotten; 0 if that never happened."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What the kept requests take, about."""
        return self._bytes

    @property
    def first(self) -> int:
        """The number of the oldest that is kept; one more than the newest ever had if there is none."""
        return self._kept[0].number if self._kept else self._count + 1

    def keep(self, request: Request, entry: Entry) -> KeptRequest:
        """Remember a request and the journal's entry about its decision."""
        self._count += 1
        self.revision += 1
        kept = KeptRequest(self._count, _unsigned(request), entry, _size(request), self.revision)
        self._kept.append(kept)
        self._bytes += kept.size
        for name in _ids(entry):
            self._by_id[name] = kept
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
            self._drop(self._kept.popleft())
        return kept

    def note(self, entry: Entry) -> None:
        """An entry of the journal: if it is about a request that is kept, it is one of its steps.

        An apns-id that was used again means the newest.
        """
        if entry.where not in ("apns", "phone") or entry.what in ("push", "channel"):
            return
        kept = next((self._by_id[name] for name in _ids(entry) if name in self._by_id), None)
        if kept is None or len(kept.steps) >= MOST_STEPS:
            return
        self.revision += 1
        kept.revision = self.revision
        kept.steps.append(entry)

    def find(self, number: int) -> KeptRequest | None:
        """The one of this number, if it is still kept."""
        at = number - self.first
        return self._kept[at] if 0 <= at < len(self._kept) else None

    def since(self, revision: int) -> list[KeptRequest]:
        """Those that came or changed after this revision, oldest first."""
        return [kept for kept in self._kept if kept.revision > revision]

    def clear(self) -> None:
        """Forget all requests; numbers and revisions go on."""
        self._kept.clear()
        self._by_id.clear()
        self._bytes = 0
        self.revision += 1
        self.cleared_at = self.revision

    def _drop(self, kept: KeptRequest) -> None:
        self._bytes -= kept.size
        for name in _ids(kept.entry):
            if self._by_id.get(name) is kept:
                del self._by_id[name]


def _ids(entry: Entry) -> list[str]:
    """The ids of an entry's push, the one that is surely its own first."""
    found = [entry.detail.get(name) for names in _NAMES for name in names]
    return [name.lower() for name in found if isinstance(name, str) and name]


def _unsigned(request: Request) -> Request:
    """The same without the last part of its provider token, whoever that belongs to: the rest says all that is judged."""
    given = request.headers.get("authorization")
    if given is None or given.count(".") < 2:
        return request
    signed, _, _ = given.rpartition(".")
    return request._replace(headers=request.headers | {"authorization": f"{signed}.{NOT_KEPT}"})


def _size(request: Request) -> int:
    texts = sum(len(name) + len(value) for name, value in request.headers.items())
    return len(request.body) + len(request.path) + texts + _OVERHEAD
