"""Two ways from a session's news to a card: the relay's policy, and naive forwarding, the way it is usually begun."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from loadtests.day import Change
from relay import contract
from relay.apns.gateway import Environments, Gateway, ProviderToken
from relay.apns.push import Outcome, Push, answered
from relay.contract import ActivityRegister, ContentState, DeviceRegister, Event
from relay.server.live_activities.registration import ActivityRegistrations
from relay.server.live_activities.sender import ActivitySender
from relay.server.store import activities, devices
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.apns.authentication import ProviderState
from simulator.apns.messages import Request
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock
from simulator.phone.app.app import BUNDLE_ID


class DirectGateway:
    """Sends to `sandbox`, which need not be started."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self._hosts, self._clock = sandbox.hosts, clock
        key = sandbox.issue_key()
        self._token = ProviderToken(private_key=key.private_key, key_id=key.key_id, team_id=key.team_id)
        self._provider = ProviderState()

    async def send(self, push: Push) -> Outcome:
        """APNs' answer, at once."""
        answer = self._hosts[push.apns_env].handle(self._request(push), self._provider).response
        assert answer is not None  # there are no faults
        return answered(push.apns_env, answer.status, answer.reason, answer.timestamp)

    async def close(self, grace: float) -> None:
        """Nothing to close."""

    def _request(self, push: Push) -> Request:
        headers = {
            "authorization": self._token.authorization(self._clock.now()),
            "apns-id": push.apns_id,
            "apns-topic": push.topic,
            "apns-push-type": push.push_type,
            "apns-priority": str(push.priority),
            "apns-expiration": str(push.expiration),
        }
        headers |= {"apns-collapse-id": push.collapse_id} if push.collapse_id else {}
        path = f"/3/device/{push.device_token}"
        size = len(push.payload)
        return Request("POST", path, push.device_token, headers, frozenset(), push.payload, size)


SECRET: Final = "one-hour-of-one-session"
SESSION: Final = "ses_load"
TITLE: Final = "Refactor the parser"
TOPIC: Final = f"{BUNDLE_ID}.push-type.liveactivity"


class Forwarding(Protocol):
    """Brings changes to a card. Stepped by hand: what it does is done when its methods return."""

    async def begin(self, device_token: str, push_to_start_token: str) -> None:
        """The phone registers."""
        ...

    async def token_came(self, token: str) -> None:
        """The app registers the card's update token."""
        ...

    async def report(self, change: Change) -> None:
        """The agent's server reports a change."""
        ...

    async def push_due(self) -> float:
        """Push what is due; seconds until it is to be called again at the latest."""
        ...


class Relayed:
    """The relay's own code from event to push, with its policy; only HTTP is left out on both sides."""

    def __init__(self, db: Database, gateway: Gateway, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._sender = ActivitySender(db, Environments(gateway), owner="load", push_deadline=10, clock=clock)
        self._registrations = ActivityRegistrations(
            db, default_bundle_id=BUNDLE_ID, now=clock.now, changed=self._sender.changed
        )
        self._hash = contract.secret_hash(SECRET)

    async def begin(self, device_token: str, push_to_start_token: str) -> None:
        """As POST /v1/device/register."""
        self._device_token = device_token
        phone = DeviceRegister(
            secret=SECRET, device_token=device_token, push_to_start_token=push_to_start_token
        )
        now_ms = int(self._clock.now() * 1000)
        await devices.register(self._db, phone, secret_hash=self._hash, bundle_id=BUNDLE_ID, now_ms=now_ms)
        self._phones = await devices.recipients(self._db, self._hash)

    async def token_came(self, token: str) -> None:
        """As POST /v1/activity/register."""
        request = ActivityRegister(
            secret=SECRET, session_id=SESSION, activity_token=token, device_token=self._device_token
        )
        await self._registrations.register(request)

    async def report(self, change: Change) -> None:
        """As POST /v1/event."""
        event = Event(
            secret=SECRET,
            session_id=SESSION,
            event_type=change.event_type,
            content_state=ContentState(
                status=change.status, session_title=TITLE, last_message=str(change.number)
            ),
        )
        known = await activities.of_session(self._db, self._hash, SESSION)
        await self._sender.receive(
            event, event_id=str(change.number), secret_hash=self._hash, recipients=self._phones, known=known
        )

    async def push_due(self) -> float:
        """One poll of the relay's sender, and all that follows from it."""
        seconds = await self._sender.engine.poll()
        await self._sender.engine.idle()
        return seconds


@asynccontextmanager
async def relayed(folder: Path, gateway: Gateway, clock: Clock) -> AsyncIterator[Relayed]:
    """The relay's policy over a new database."""
    connection = await open_database(f"sqlite://{folder}/relay.sqlite3?synchronous=OFF")
    try:
        yield Relayed(Database(connection), gateway, clock)
    finally:
        await close_database()


class Naive:
    """Every change becomes a push of priority 10, at once; what comes before the card's token is lost."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock
        self._token: str | None = None

    async def begin(self, device_token: str, push_to_start_token: str) -> None:  # noqa: ARG002 - it sends no alerts
        """Remember where a card is started."""
        self._start_token = push_to_start_token

    async def token_came(self, token: str) -> None:
        """Remember where it is changed."""
        self._token = token

    async def report(self, change: Change) -> None:
        """Push it."""
        if change.event_type == "start":
            alert = {"title": "Session Started", "body": TITLE}
            asks = {"attributes-type": "SessionActivityAttributes", "attributes": {"sessionId": SESSION}}
            await self._send(
                self._start_token, "start", change, alert=alert, **{"input-push-token": 1}, **asks
            )
        elif self._token is not None:
            await self._send(self._token, "end" if change.event_type == "complete" else "update", change)

    async def push_due(self) -> float:
        """Nothing ever waits."""
        return 1.0

    async def _send(self, token: str, event: str, change: Change, **more: Any) -> None:
        now = int(self._clock.now())
        state = {"status": change.status, "sessionTitle": TITLE, "lastMessage": str(change.number)}
        payload = {"aps": {"timestamp": now, "event": event, "content-state": state, **more}}
        await self._gateway.send(
            Push(
                apns_id=str(uuid.uuid4()),
                device_token=token,
                apns_env="production",
                topic=TOPIC,
                push_type="liveactivity",
                priority=10,
                expiration=now + 3600,
                collapse_id="",
                payload=json.dumps(payload).encode(),
            )
        )
