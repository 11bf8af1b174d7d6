"""One host of APNs: a request comes in, may go wrong on purpose, is judged at its desk, written down and carried on."""

from collections.abc import Callable
from typing import NamedTuple

from simulator.apns.answers import Answer
from simulator.apns.delivery.courier import Courier
from simulator.apns.delivery.delivery_log import token_suffix
from simulator.apns.faults import Action, AnswerWith, Fault, FaultTable
from simulator.apns.judged import Desk, Judged
from simulator.apns.registry import Realm
from simulator.apns.requests import Request
from simulator.apns.session import Session
from simulator.journal import Journal


class Outcome(NamedTuple):
    """What to send: the answer (None: none was made), whether the provider proved itself, and what goes wrong on the way."""

    answer: Answer | None
    authenticated: bool
    fault: Action | None = None


class PushService:
    """One host of one environment. `handle` is the whole life of a request, up to the bytes of its answer.

    `desk_for` says by the path which desk a request belongs to; `what` names its entries in the journal.
    """

    def __init__(
        self,
        realm: Realm,
        desk_for: Callable[[str], Desk],
        faults: FaultTable,
        courier: Courier,
        journal: Journal,
        what: str = "push",
    ) -> None:
        self.realm = realm
        self._what = what
        self._desk_for = desk_for
        self._faults = faults
        self._courier = courier
        self._journal = journal

    def handle(self, request: Request, session: Session) -> Outcome:
        """Judge a request, change what it changes, and say what to send."""
        desk = self._desk_for(request.path)
        fault = self._faults.strike(request.token, request.topic, request.push_type, self.realm)
        judged = desk.judge(request, session) if fault is None or fault.is_judged else None
        outcome = _outcome(desk, request, judged, fault)
        self._record(request, outcome.answer, fault)
        for parcel in () if judged is None else judged.parcels:
            self._courier.deliver(parcel)
        return outcome

    def refuse(self, request: Request, reason: str) -> Outcome:
        """Turn a request away unread, because of the state of its connection or of the server."""
        answer = self._desk_for(request.path).staged(request, AnswerWith(reason))
        self._record(request, answer, None)
        return Outcome(answer, authenticated=False)

    def _record(self, request: Request, answer: Answer | None, fault: Fault | None) -> None:
        """One journal entry a request. A device token is never written whole, a provider token not at all."""
        headers = request.headers
        self._journal.record(
            "apns",
            self._what,
            realm=self.realm,
            apns_id=None if answer is None else answer.apns_id or answer.request_id,
            apns_unique_id=None if answer is None else answer.unique_id,
            token=token_suffix(request.token),
            topic=request.topic,
            push_type=headers.get("apns-push-type"),
            priority=headers.get("apns-priority"),
            collapse_id=headers.get("apns-collapse-id"),
            status=None if answer is None else answer.status,
            reason=None if answer is None else answer.reason,
            fault=None if fault is None else type(fault.do).__name__,
            **({} if request.token else _about(request, answer)),
        )


def _about(request: Request, answer: Answer | None) -> dict[str, str | None]:
    """What a request to no device is about."""
    made = None if answer is None else answer.channel_id
    channel_id = made or request.headers.get("apns-channel-id")
    return {"method": request.method, "path": request.path, "channel_id": channel_id}


def _outcome(desk: Desk, request: Request, judged: Judged | None, fault: Fault | None) -> Outcome:
    authenticated = judged is not None and judged.authenticated
    if fault is not None and isinstance(fault.do, AnswerWith):
        return Outcome(desk.staged(request, fault.do), authenticated, fault.do.shape)
    return Outcome(
        None if judged is None else judged.answer, authenticated, None if fault is None else fault.do
    )
