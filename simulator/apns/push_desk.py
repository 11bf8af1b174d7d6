"""Where a push to one device is looked up and judged."""

from simulator.apns.answers import Answer
from simulator.apns.authentication.provider_gate import ProviderGate
from simulator.apns.buckets import Buckets
from simulator.apns.checks import Exam, is_canonical
from simulator.apns.delivery.mailbox import Parcel
from simulator.apns.faults import AnswerWith
from simulator.apns.judged import Ids, Judged
from simulator.apns.profile import Profile
from simulator.apns.registry import Realm, Registry
from simulator.apns.requests import Request
from simulator.apns.rulings import Ruling, rule
from simulator.apns.session import Session
from simulator.clock import Clock


class PushDesk:
    """POST /3/device/<token> of one environment."""

    def __init__(
        self, realm: Realm, registry: Registry, profile: Profile, gate: ProviderGate, clock: Clock, ids: Ids
    ) -> None:
        self._realm = realm
        self._registry = registry
        self._profile = profile
        self._gate = gate
        self._clock = clock
        self._ids = ids
        self._buckets = Buckets()

    def judge(self, request: Request, session: Session) -> Judged:
        """The whole decision; what it changes is the connection's session and the device token's bucket."""
        exam = self._exam(request, session)
        unique_id = self._ids.lower()
        # Only in the development environment (Apple: Viewing the status of push notifications).
        ruling = rule(exam, self._apns_id(request), unique_id if self._realm == "sandbox" else None)
        self._gate.learn(exam, ruling.answer.reason, authenticated=ruling.authenticated)
        if ruling.delivery is not None:
            self._buckets.take(request.token, exam.profile.device_rate, exam.now)
        return Judged(ruling.answer, ruling.authenticated, _parcels(exam, ruling, unique_id))

    def staged(self, request: Request, fault: AnswerWith) -> Answer:
        """With the apns-id of the request."""
        return Answer(fault.code(), fault.reason, self._apns_id(request), None, fault.timestamp)

    def _exam(self, request: Request, session: Session) -> Exam:
        bearer, provider_token = self._gate.read(request)
        now, token = self._clock.now(), request.token
        return Exam(
            request=request,
            realm=self._realm,
            profile=self._profile,
            session=session,
            now=now,
            bearer=bearer,
            provider_token=provider_token,
            app=self._registry.topics.get(request.topic or ""),
            device=self._registry.tokens[self._realm].get(token),
            payload=request.payload(),
            pushes_left=self._buckets.left(token, self._profile.device_rate, now),
        )

    def _apns_id(self, request: Request) -> str:
        """As given; or one of our own, also in place of one that is no UUID."""
        given = request.headers.get("apns-id")
        return given if given is not None and is_canonical(given) else self._ids.upper()


def _parcels(exam: Exam, ruling: Ruling, unique_id: str) -> tuple[Parcel, ...]:
    if ruling.delivery is None or exam.device is None:
        return ()
    return (Parcel(unique_id, ruling.delivery, exam.device, exam.device.handset),)
