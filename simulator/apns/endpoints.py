"""What an endpoint of APNs is, what it decides, and the endpoint for pushes to one device: POST /3/device/<token>."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from simulator.apns.authentication import ProviderState
from simulator.apns.channels.registry import Channels
from simulator.apns.checks import (
    PRIORITIES,
    C,
    Check,
    RequestContext,
    expired_at,
    first_failed,
    is_canonical,
    unregistered_at,
)
from simulator.apns.delivery.device import Delivery
from simulator.apns.delivery.mailbox import AcceptedPush
from simulator.apns.faults import Action, AnswerWith
from simulator.apns.messages import ACCEPTED, DEFAULT_PRIORITY, Request, Response, apns_uuid, readable
from simulator.apns.profile import Profile, Rate
from simulator.apns.provider_token import Flaw, ProviderToken, TokenReader, bearer
from simulator.apns.reasons import REASONS, Confidence
from simulator.apns.registry import REALMS, Realm, Registry
from simulator.clock import Clock, TurnableClock


class Decision(NamedTuple):
    """What becomes of a request: the response (None: none was made), whether the provider proved itself, the pushes that
    now go to devices, the fault that happens to the response on its way, and what is wrong with the request, in words that
    go to the journal and not to the provider, with who says so and how sure that is."""

    response: Response | None
    authenticated: bool
    pushes: tuple[AcceptedPush, ...] = ()
    fault: Action | None = None
    why: str | None = None
    source: str | None = None
    confidence: Confidence | None = None


class Endpoint(Protocol):
    """Decides on one kind of request and changes what it changes, but delivers nothing."""

    def handle(self, request: Request, provider: ProviderState) -> Decision:
        """The whole decision; it always has a response."""
        ...

    def staged(self, request: Request, fault: AnswerWith) -> Response:
        """The response that a fault wants, with the ids of this kind of request."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """One of APNs' two environments, as its endpoints read it. One `token_reader` for all, so that a token is verified once."""

    realm: Realm
    registry: Registry
    channels: Channels
    profile: Profile
    token_reader: TokenReader
    clock: Clock
    random: Random
    buckets: "Buckets" = field(default_factory=lambda: Buckets())

    def id_for(self, given: str | None) -> str:
        """As given; a new one in upper case, as seen from the real server, if it is absent or no UUID."""
        return given if given is not None and is_canonical(given) else apns_uuid(self.random.getrandbits(128))

    def token_of(self, request: Request) -> tuple[str | None, ProviderToken | Flaw | None]:
        """The text behind `bearer`, and what it is."""
        text = bearer(request.headers.get("authorization"))
        return text, None if text is None else self.token_reader.read(text)

    def provider_now(self, token: ProviderToken | Flaw | None) -> float:
        """The time by which a token's iat is judged: APNs' own; where that one does not fit it, another that a provider has.

        On a clock that is turned a provider goes on living by the machine's time, or by that and what was turned.
        """
        now = self.clock.now()
        if not isinstance(token, ProviderToken) or not isinstance(self.clock, TurnableClock):
            return now
        oldest, newest = (
            token.issued_at + self.profile.provider_token_age,
            token.issued_at - self.profile.clock_skew,
        )
        return next((at for at in (now, *self.clock.outside()) if newest <= at <= oldest), now)

    def renewal_now(self) -> float:
        """The time by which renewals are counted: a provider renews its token in its own time, also where APNs' stands still."""
        return self.clock.outside()[1] if isinstance(self.clock, TurnableClock) else self.clock.now()

    def unique_id(self) -> str:
        """For apns-unique-id, in lower case."""
        return apns_uuid(self.random.getrandbits(128)).lower()


class PushEndpoint:
    """POST /3/device/<token> of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._buckets = environment.buckets

    def handle(self, request: Request, provider: ProviderState) -> Decision:
        """What it changes is what the connection has shown of its provider, and the device token's bucket."""
        environment = self._environment
        context = self.context(request, provider)
        unique_id = environment.unique_id()
        apns_id = environment.id_for(request.headers.get("apns-id"))
        check = first_failed(context)
        if check is not None:
            return refusal(context, check, apns_id)
        provider.learn(context.valid_token, None, context.profile, context.renewal_now)
        self._buckets.take(request.token, context.profile.device_rate, context.now)
        # Only in the development environment (Apple: Viewing the status of push notifications).
        shown_id = unique_id if environment.realm == "sandbox" else None
        delivery = _delivery(context, apns_id, shown_id)
        device_token = context.known_token()
        push = AcceptedPush(unique_id, delivery, device_token, device_token.device)
        return Decision(Response(ACCEPTED, None, apns_id, shown_id), True, (push,))

    def staged(self, request: Request, fault: AnswerWith) -> Response:
        """With the apns-id of the request."""
        apns_id = self._environment.id_for(request.headers.get("apns-id"))
        return Response(fault.code(), fault.reason, apns_id, None, fault.timestamp)

    def context(self, request: Request, provider: ProviderState) -> RequestContext:
        """The request beside all that is known about it, for the checks."""
        environment = self._environment
        text, provider_token = environment.token_of(request)
        now, profile = environment.clock.now(), environment.profile
        return RequestContext(
            request=request,
            realm=environment.realm,
            profile=profile,
            provider=provider,
            now=now,
            provider_now=environment.provider_now(provider_token),
            renewal_now=environment.renewal_now(),
            bearer=text,
            provider_token=provider_token,
            app=environment.registry.topics.get(request.topic or ""),
            device_token=environment.registry.tokens[environment.realm].get(request.token),
            payload=request.payload(),
            pushes_left=self._buckets.left(request.token, profile.device_rate, now),
            is_of_other_realm=any(
                request.token in environment.registry.tokens[realm]
                for realm in REALMS
                if realm != environment.realm
            ),
        )


def refusal(context: C, check: Check[C], apns_id: str, request_id: str | None = None) -> Decision:
    """What is answered to a request that failed this check, and what the connection has shown by it."""
    reason = check.reason
    if reason == "BadEnvironmentKeyInToken":
        reason = context.profile.environment_reason
    valid_token = context.valid_token if check.proves_provider else None
    context.provider.learn(valid_token, reason, context.profile, context.renewal_now)
    gone_since = _gone_since(context, reason)
    response = Response(REASONS[reason].status, reason, apns_id, None, gone_since, request_id)
    return Decision(
        response,
        check.proves_provider,
        why=check.explained(context),
        source=check.source,
        confidence=check.confidence,
    )


def _gone_since(context: RequestContext, reason: str) -> int | None:
    """Milliseconds since 1970 at which the device token became invalid, for a 410."""
    ended = {"ExpiredToken": expired_at, "Unregistered": unregistered_at}.get(reason)
    if context.device_token is None or ended is None:
        return None
    since = ended(context.device_token, context.profile, context.now)
    return None if since is None else int(since * 1000)


def _delivery(context: RequestContext, apns_id: str, unique_id: str | None) -> Delivery:
    request = context.request
    headers = request.headers
    expiration, collapse_id = headers.get("apns-expiration"), headers.get("apns-collapse-id")
    return Delivery(
        apns_id=apns_id,
        apns_unique_id=unique_id,
        device_token=request.token,
        topic=request.topic or "",
        push_type=request.push_type,
        priority=PRIORITIES.get(headers.get("apns-priority", ""), DEFAULT_PRIORITY),
        expiration=None if expiration is None else int(expiration),
        collapse_id=None if collapse_id is None else readable(collapse_id),
        payload=context.payload or {},
        accepted_at=context.now,
        realm=context.realm,
    )


class Buckets:
    """A token bucket for each device token, made when it is first used. A full one holds `rate.burst` pushes; UNIX seconds."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def left(self, token: str, rate: Rate | None, now: float) -> float:
        """What may still be sent now; infinity without a rate."""
        if rate is None:
            return float("inf")
        level, at = self._levels.get(token, (float(rate.burst), now))
        return min(float(rate.burst), level + (now - at) * rate.per_second)

    def take(self, token: str, rate: Rate | None, now: float) -> None:
        """One push was accepted."""
        if rate is not None:
            self._levels[token] = (self.left(token, rate, now) - 1, now)

    def clear(self) -> None:
        """Every one is full again."""
        self._levels.clear()
