"""The push endpoint of one environment: a request comes in, is looked up, judged, written down and handed on."""

from random import Random
from typing import NamedTuple

from simulator.apns.answers import Answer, apns_uuid
from simulator.apns.buckets import Buckets
from simulator.apns.checks import Exam, is_canonical
from simulator.apns.delivery import Delivery
from simulator.apns.faults import Action, AnswerWith, Delay, FaultTable
from simulator.apns.profile import Profile
from simulator.apns.provider_token import TokenReader, bearer
from simulator.apns.registry import DeviceToken, Realm, Registry
from simulator.apns.requests import Request
from simulator.apns.rulings import Ruling, rule
from simulator.apns.session import Session
from simulator.clock import Clock
from simulator.journal import Journal


class Outcome(NamedTuple):
    """What to send: the answer (None: none was made), whether the provider proved itself, and what goes wrong on the way."""

    answer: Answer | None
    authenticated: bool
    fault: Action | None = None


class PushService:
    """One environment. `handle` is the whole life of a push, up to the bytes of its answer."""

    def __init__(
        self,
        realm: Realm,
        registry: Registry,
        profile: Profile,
        faults: FaultTable,
        clock: Clock,
        journal: Journal,
        random: Random,
    ) -> None:
        self.realm = realm
        self._profile = profile
        self._clock = clock
        self._journal = journal
        self._registry = registry
        self._reader = TokenReader(registry.keys)
        self._faults = faults
        self._buckets = Buckets()
        self._random = random

    def handle(self, request: Request, session: Session) -> Outcome:
        """Judge a request, change what it changes, and say what to send."""
        fault = self._faults.strike(request.token, request.topic, request.push_type, self.realm)
        if fault is None:
            outcome = self._judge(request, session)
            self._record(request, outcome.answer)
            return outcome
        if fault.accepts_first or isinstance(fault.do, Delay):
            outcome = self._judge(request, session)._replace(fault=fault.do)
        else:
            outcome = Outcome(None, authenticated=False, fault=fault.do)
        if isinstance(fault.do, AnswerWith):
            outcome = Outcome(self._staged(request, fault.do), outcome.authenticated)
        self._record(request, outcome.answer, fault=type(fault.do).__name__)
        return outcome

    def _staged(self, request: Request, fault: AnswerWith) -> Answer:
        return Answer(fault.code(), fault.reason, self._apns_id(request), None, fault.timestamp)

    def _judge(self, request: Request, session: Session) -> Outcome:
        exam = self._exam(request, session)
        ruling = rule(exam, self._apns_id(request), self._unique_id())
        self._learn(exam, ruling)
        if ruling.delivery is not None:
            self._deliver(ruling.delivery, exam.device)
        return Outcome(ruling.answer, ruling.authenticated)

    def _exam(self, request: Request, session: Session) -> Exam:
        text = bearer(request.headers.get("authorization"))
        now, token = self._clock.now(), request.token
        return Exam(
            request=request,
            realm=self.realm,
            profile=self._profile,
            session=session,
            now=now,
            bearer=text,
            provider_token=None if text is None else self._reader.read(text),
            app=self._registry.topics.get(request.topic or ""),
            device=self._registry.tokens[self.realm].get(token),
            payload=request.payload(),
            pushes_left=self._buckets.left(token, self._profile.device_rate, now),
        )

    def _learn(self, exam: Exam, ruling: Ruling) -> None:
        """Let the connection, and the device token's bucket, remember what the request has shown."""
        if ruling.authenticated and exam.provider_token is not None:
            exam.session.saw(exam.provider_token, exam.now)
        if ruling.answer.reason == "TooManyProviderTokenUpdates":
            exam.session.throttle(exam.profile, exam.now)
        elif ruling.answer.reason == "ExpiredProviderToken":
            exam.session.wedged = exam.profile.wedge_after_expired
        elif ruling.delivery is not None:
            self._buckets.take(exam.request.token, exam.profile.device_rate, exam.now)

    def _deliver(self, delivery: Delivery, device: DeviceToken | None) -> None:
        if device is None or device.handset is None:
            return
        try:
            device.handset.receive(delivery)
        except Exception as error:  # a fault of the fake phone is no fault of the provider's connection
            self._journal.record(
                "apns",
                "delivery_failed",
                apns_id=delivery.apns_id,
                token=_suffix(device.token),
                error=repr(error),
            )

    def _apns_id(self, request: Request) -> str:
        """As given; or one of our own, also in place of one that is no UUID."""
        given = request.headers.get("apns-id")
        return given if given is not None and is_canonical(given) else self._new_id()

    def _unique_id(self) -> str | None:
        """Only in the development environment (Apple: Viewing the status of push notifications)."""
        return self._new_id().lower() if self.realm == "sandbox" else None

    def _new_id(self) -> str:
        return apns_uuid(self._random.getrandbits(128))

    def _record(self, request: Request, answer: Answer | None, fault: str | None = None) -> None:
        """One journal entry a request. A token is never written whole, a provider token not at all."""
        headers = request.headers
        self._journal.record(
            "apns",
            "push",
            realm=self.realm,
            apns_id=None if answer is None else answer.apns_id,
            apns_unique_id=None if answer is None else answer.unique_id,
            token=_suffix(request.token),
            topic=request.topic,
            push_type=headers.get("apns-push-type"),
            priority=headers.get("apns-priority"),
            collapse_id=headers.get("apns-collapse-id"),
            status=None if answer is None else answer.status,
            reason=None if answer is None else answer.reason,
            fault=fault,
        )


def _suffix(token: str) -> str:
    return token[-8:] if len(token) > 16 else ""  # eight digits of a short one would be too much of it
