"""Where channels are managed, and where broadcasts are judged: two desks of one environment that share an exam room."""

from simulator.apns.answers import Answer
from simulator.apns.authentication.provider_gate import ProviderGate
from simulator.apns.channels import rulings as channel_rulings
from simulator.apns.channels.checks import (
    BROADCAST_CHECKS,
    MANAGE_CHECKS,
    ChannelCheck,
    ChannelExam,
    Target,
    broadcast_target,
    examine_channel,
    manage_target,
)
from simulator.apns.channels.registry import Channel, Channels
from simulator.apns.checks import is_canonical
from simulator.apns.delivery.courier import Courier
from simulator.apns.delivery.mailbox import Parcel
from simulator.apns.faults import AnswerWith
from simulator.apns.judged import Ids, Judged
from simulator.apns.profile import Profile
from simulator.apns.registry import Realm, Registry
from simulator.apns.requests import Request
from simulator.apns.session import Session
from simulator.clock import Clock


class ExamRoom:
    """Everything that a desk for channels looks up."""

    def __init__(
        self,
        realm: Realm,
        registry: Registry,
        channels: Channels,
        profile: Profile,
        gate: ProviderGate,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self.realm = realm
        self.channels = channels
        self.gate = gate
        self.ids = ids
        self._registry = registry
        self._profile = profile
        self._clock = clock

    def exam(self, request: Request, session: Session, target: Target | None) -> ChannelExam:
        """A request beside all that is known about it."""
        bearer, provider_token = self.gate.read(request)
        bundle_id = "" if target is None else target.bundle_id
        channel_id = request.headers.get("apns-channel-id", "")
        return ChannelExam(
            request=request,
            realm=self.realm,
            profile=self._profile,
            session=session,
            now=self._clock.now(),
            bearer=bearer,
            provider_token=provider_token,
            app=self._registry.apps.get(bundle_id),
            device=None,
            payload=request.payload(),
            pushes_left=float("inf"),
            target=target,
            channel=self.channels.find(self.realm, bundle_id, channel_id),
            channels=self.channels.count(self.realm, bundle_id),
        )

    def refusal(self, exam: ChannelExam, checks: tuple[ChannelCheck, ...]) -> Judged | None:
        """What is said to a request that fails a check, None if it passes them all; the gate learns what it has shown."""
        check = examine_channel(exam, checks)
        authenticated = check is None or check.stage == "push"
        self.gate.learn(exam, None if check is None else check.reason, authenticated=authenticated)
        if check is None:
            return None
        return Judged(channel_rulings.refused(exam, check, self.request_id(exam.request)), authenticated)

    def request_id(self, request: Request) -> str:
        """As given; or one of our own, also in place of one that is no UUID."""
        given = request.headers.get("apns-request-id")
        return given if given is not None and is_canonical(given) else self.ids.upper()

    def staged(self, request: Request, fault: AnswerWith) -> Answer:
        """What a fault wants, with apns-request-id."""
        return Answer(fault.code(), fault.reason, "", None, fault.timestamp, self.request_id(request))


class BroadcastDesk:
    """POST /4/broadcasts/apps/<bundle id>."""

    def __init__(self, room: ExamRoom) -> None:
        self._room = room
        self.staged = room.staged

    def judge(self, request: Request, session: Session) -> Judged:
        """A good one becomes a parcel for each subscription of the channel."""
        room = self._room
        exam = room.exam(request, session, broadcast_target(request.method, request.path))
        refused = room.refusal(exam, BROADCAST_CHECKS)
        if refused is not None:
            return refused
        request_id = room.request_id(request)
        answer = channel_rulings.done("send", request_id)
        if room.realm == "sandbox":
            answer = answer._replace(unique_id=room.ids.lower())
        assert exam.channel is not None  # a check has refused the request otherwise
        return Judged(answer, True, self._parcels(exam, exam.channel, answer, request_id))

    def _parcels(
        self, exam: ChannelExam, channel: Channel, answer: Answer, request_id: str
    ) -> tuple[Parcel, ...]:
        """The first parcel has the answer's apns-unique-id, any other one of its own."""
        delivery = channel_rulings.broadcast(exam, channel, request_id)
        parcels = []
        for number, (handset, activity) in enumerate(channel.subscriptions):
            unique_id = (answer.unique_id if number == 0 else None) or self._room.ids.lower()
            copy = channel_rulings.copy_for(delivery, unique_id, activity)
            parcels.append(Parcel(unique_id, copy, None, handset, activity))
        return tuple(parcels)


class ChannelDesk:
    """/1/apps/<bundle id>/channels and /1/apps/<bundle id>/all-channels of a manage host."""

    def __init__(self, room: ExamRoom, courier: Courier) -> None:
        self._room = room
        self._courier = courier
        self.staged = room.staged
        self._do = {"create": self._create, "read": self._read, "delete": self._delete, "list": self._list}

    def judge(self, request: Request, session: Session) -> Judged:
        """Carry out a good request."""
        room = self._room
        exam = room.exam(request, session, manage_target(request.method, request.path))
        refused = room.refusal(exam, MANAGE_CHECKS)
        if refused is not None:
            return refused
        request_id = room.request_id(request)
        return Judged(self._do[exam.operation or ""](exam, request_id), True)

    def _create(self, exam: ChannelExam, request_id: str) -> Answer:
        policy = (exam.payload or {})["message-storage-policy"]
        channel_id = self._room.channels.create(exam.realm, exam.bundle_id, policy, exam.now)
        return channel_rulings.created(request_id, channel_id)

    def _read(self, exam: ChannelExam, request_id: str) -> Answer:
        assert exam.channel is not None  # a check has refused the request otherwise
        return channel_rulings.configuration(request_id, exam.channel)

    def _delete(self, exam: ChannelExam, request_id: str) -> Answer:
        channel_id = exam.channel_id or ""
        self._room.channels.delete(exam.realm, exam.bundle_id, channel_id)
        self._courier.close_channel(channel_id)
        return channel_rulings.done("delete", request_id)

    def _list(self, exam: ChannelExam, request_id: str) -> Answer:
        return channel_rulings.listing(request_id, self._room.channels.ids(exam.realm, exam.bundle_id))
