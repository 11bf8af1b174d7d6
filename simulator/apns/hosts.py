"""The hosts of APNs: a request comes in, may go wrong on purpose, is decided on at its endpoint, recorded, and delivered.

There are two hosts for pushes and broadcasts, and two where channels are managed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from simulator.apns.authentication import ProviderState
from simulator.apns.channels.checks import BROADCAST_PATH
from simulator.apns.channels.endpoint import BroadcastEndpoint, ChannelEndpoint
from simulator.apns.channels.registry import Channels
from simulator.apns.delivery.service import DeliveryService, token_suffix
from simulator.apns.endpoints import Buckets, Decision, Endpoint, Environment, PushEndpoint
from simulator.apns.faults import AnswerWith, Fault, FaultTable
from simulator.apns.messages import Request, Response, readable
from simulator.apns.profile import Profile
from simulator.apns.provider_token import TokenReader
from simulator.apns.reasons import REASONS
from simulator.apns.registry import REALMS, Realm, Registry
from simulator.apns.request_log import RequestLog
from simulator.clock import Clock
from simulator.journal import Journal

_TOKEN: Final = re.compile(r"[0-9a-fA-F]{32,}")  # in a path that is not the one for tokens
NOT_PROCESSED: Final = Decision(None, authenticated=False)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all hosts share."""

    registry: Registry
    channels: Channels
    profile: Profile
    faults: FaultTable
    deliveries: DeliveryService
    clock: Clock
    journal: Journal
    random: Random
    requests: RequestLog
    buckets: Buckets


class Host:
    """One host of one environment. `handle` is the whole life of a request, up to the bytes of its response.

    `endpoint_for` says by the path which endpoint a request belongs to; `what` names its entries in the journal.
    """

    def __init__(
        self, realm: Realm, endpoint_for: Callable[[str], Endpoint], shared: Shared, what: str = "push"
    ) -> None:
        self.realm = realm
        self._what = what
        self._endpoint_for = endpoint_for
        self._faults = shared.faults
        self._deliveries = shared.deliveries
        self._journal = shared.journal
        self._requests = shared.requests

    def handle(self, request: Request, provider: ProviderState) -> Decision:
        """Decide on a request, change what it changes, deliver what was accepted, and return what to send."""
        endpoint = self._endpoint_for(request.path)
        fault = self._faults.strike(request.token, request.topic, request.push_type, self.realm)
        if fault is None:
            decision = endpoint.handle(request, provider)
        else:
            decision = endpoint.handle(request, provider) if fault.is_processed else NOT_PROCESSED
            decision = _with_fault(decision, fault, endpoint, request)
        self._record(request, decision, fault)
        for push in decision.pushes:
            self._deliveries.deliver(push)
        return decision

    def refuse(self, request: Request, reason: str) -> Decision:
        """Turn a request away unread, because of the state of its connection or of the server."""
        response = self._endpoint_for(request.path).staged(request, AnswerWith(reason))
        known = REASONS.get(reason)
        decision = Decision(response, authenticated=False, why=None if known is None else known.meaning)
        self._record(request, decision, None)
        return decision

    def _record(self, request: Request, decision: Decision, fault: Fault | None) -> None:
        """One journal entry a request. A device token is never written whole, a provider token not at all."""
        response = decision.response
        entry = self._journal.record(
            "apns",
            self._what,
            realm=self.realm,
            apns_id=None if response is None else response.apns_id or response.request_id,
            apns_unique_id=None if response is None else response.unique_id,
            token=readable(token_suffix(request.token)),
            topic=_header(request, "apns-topic"),
            push_type=_header(request, "apns-push-type"),
            priority=_header(request, "apns-priority"),
            collapse_id=_header(request, "apns-collapse-id"),
            status=None if response is None else response.status,
            reason=None if response is None else response.reason,
            fault=None if fault is None else type(fault.do).__name__,
            **_explained(decision),
            **({} if request.token else _about(request, response)),
        )
        self._requests.keep(request, entry)


def _explained(decision: Decision) -> dict[str, str]:
    """What was wrong, who says so, and how sure that is; nothing of what a fault rule answered."""
    found = {"why": decision.why, "source": decision.source, "confidence": decision.confidence}
    return {name: text for name, text in found.items() if text is not None}


def _about(request: Request, response: Response | None) -> dict[str, str | None]:
    """What a request to no device is about."""
    created = None if response is None else response.channel_id
    path = _TOKEN.sub(lambda match: f"...{token_suffix(match[0])}", readable(request.path))
    return {
        "method": readable(request.method),
        "path": path,
        "channel_id": created or _header(request, "apns-channel-id"),
    }


def _header(request: Request, name: str) -> str | None:
    value = request.headers.get(name)
    return None if value is None else readable(value)


def _with_fault(decision: Decision, fault: Fault, endpoint: Endpoint, request: Request) -> Decision:
    if isinstance(fault.do, AnswerWith):
        response = endpoint.staged(request, fault.do)
        return decision._replace(
            response=response, fault=fault.do.shape, why=None, source=None, confidence=None
        )
    return decision._replace(fault=fault.do)


def make_hosts(shared: Shared) -> dict[str, Host]:
    """By the names of their ports: "sandbox", "production", "manage-sandbox", "manage-production"."""
    reader = TokenReader(shared.registry.keys)
    environments = {
        realm: Environment(
            realm,
            shared.registry,
            shared.channels,
            shared.profile,
            reader,
            shared.clock,
            shared.random,
            shared.buckets,
        )
        for realm in REALMS
    }
    hosts = {str(realm): _push_host(environments[realm], shared) for realm in REALMS}
    return hosts | {f"manage-{realm}": _manage_host(environments[realm], shared) for realm in REALMS}


def _push_host(environment: Environment, shared: Shared) -> Host:
    broadcasts, pushes = BroadcastEndpoint(environment), PushEndpoint(environment)

    def endpoint_for(path: str) -> Endpoint:
        return broadcasts if path.startswith(BROADCAST_PATH) else pushes

    return Host(environment.realm, endpoint_for, shared)


def _manage_host(environment: Environment, shared: Shared) -> Host:
    endpoint = ChannelEndpoint(environment, shared.deliveries)
    return Host(environment.realm, lambda _: endpoint, shared, "channel")
