"""The app on the phone: it pairs with OpenCode servers and registers for their pushes at the relay."""

from typing import Any

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.app.content_state import AppKind
from simulator.phone.app.encryption import KeyRing
from simulator.phone.app.live_sessions import LiveSessions
from simulator.phone.app.pairing import Keychain, Pairing, parse_link
from simulator.phone.app.relay_client import PATIENCE, Reply, Tasks, call
from simulator.phone.device import AppState, Device, Realm
from simulator.phone.live_activities import LiveActivities
from simulator.phone.push import Content, content

BUNDLE_ID = "com.anomalyco.mobilevoice"


class App:
    """One installed app. `realm` is that of its build: "production" from the store or TestFlight, else "sandbox".

    `kind` is how it builds its Live Activities, None for an app of before them: then it has no `live_sessions`.
    `begins_all`: see Monitoring. `password` is what the person typed in for OpenCode.
    """

    def __init__(
        self,
        device: Device,
        activities: LiveActivities,
        clock: Clock,
        journal: Journal,
        key_ring: KeyRing,
        *,
        realm: Realm = "production",
        bundle_id: str = BUNDLE_ID,
        kind: AppKind | None = None,
        begins_all: bool = False,
        password: str | None = None,
    ) -> None:
        self._device = device
        self._clock = clock
        self._journal = journal
        self._pairings: dict[str, Pairing] = {}
        self._tasks = Tasks()
        self._kind = kind
        self.live_sessions: LiveSessions | None = None
        if kind is not None:
            self.live_sessions = LiveSessions(
                kind, activities, self._report_token, self._tasks, clock, journal,
                phone=device.name, begins_all=begins_all, password=password,
            )  # fmt: skip
        self.keychain = Keychain()
        self.key_ring = key_ring
        self.realm: Realm = realm
        self.bundle_id = bundle_id
        self.opened: list[str] = []

    @property
    def pairings(self) -> tuple[Pairing, ...]:
        """The servers it is paired with, oldest first."""
        return tuple(self._pairings.values())

    @property
    def token(self) -> str:
        """The device token the app has now."""
        return self._device.token(self.realm)

    # Pairing and registering.

    def scan(self, link: str) -> Pairing:
        """Pair with the server of a QR code or link; the same server again replaces what was known of it.

        Raises PairingError if the text is no pairing.
        """
        pairing = parse_link(link)
        account = _account(pairing)
        self._pairings[account] = pairing
        self.keychain.keep(account, pairing.relay_secret)
        self.key_ring.keep(account, pairing.key)
        if self.live_sessions is not None:
            self.live_sessions.paired(account, pairing.hosts)
        self._journal.record("phone", "paired", phone=self._device.name, serverID=pairing.server_id)
        return pairing

    async def start(self) -> list[Reply]:
        """Launch: every start registers again with the relay of every pairing."""
        return await self.register()

    async def register(self, patience: float = PATIENCE) -> list[Reply]:
        """Register this phone with the relay of every pairing, trying for `patience` seconds while it is down."""
        fields = {
            "deviceToken": self.token,
            "bundleId": self.bundle_id,
            "apnsEnv": self.realm,
            **self._starts_by(),
        }
        return [
            await self._call("device/register", account, fields | self._has_key(account), patience)
            for account in tuple(self._pairings)
        ]

    async def unregister(self, token: str | None = None, patience: float = PATIENCE) -> list[Reply]:
        """Take this phone (or a token it had before) off the relay of every pairing."""
        fields = {"deviceToken": token or self.token}
        return [
            await self._call("device/unregister", account, fields, patience)
            for account in tuple(self._pairings)
        ]

    async def rotate_token(self) -> list[Reply]:
        """The device gets a new token: the old one is taken off everywhere and the new one registered."""
        old = self.token
        self._device.rotate(self.realm)
        self._journal.record("phone", "token changed", phone=self._device.name)
        return [*await self.unregister(old), *await self.register()]

    async def rotate_push_to_start_token(self) -> list[Reply]:
        """The device gets a new push-to-start token, and the app's listener registers again with it."""
        self._device.rotate_push_to_start()
        self._journal.record("phone", "push-to-start token changed", phone=self._device.name)
        return await self.register()

    def start_token_changed(self) -> None:
        """The system has another push-to-start token: the app's listener registers again, unless it was force-quit."""
        if self._kind is not None and self._pairings and self._device.app != "force_quit":
            self._tasks.start(self._launch(), "start-token")

    def _starts_by(self) -> dict[str, str]:
        """By what the relay may start activities. expo-widgets hands out no token while they are switched off."""
        token = self._device.push_to_start_token if self._kind and self._device.live_activities else None
        if self._kind is None or token is None:
            return {}
        return {"pushToStartToken": token, "activityFormat": self._kind.activity_format}

    def _has_key(self, account: str) -> dict[str, str]:
        kid = self.key_ring.kid(account)
        return {} if kid is None else {"kid": kid}

    async def _report_token(self, account: str, session_id: str, token: str | None) -> Reply:
        """Register or, without a token, unregister the activity of a session."""
        fields: dict[str, Any] = {"sessionID": session_id, "deviceToken": self.token}
        if token is None or self._kind is None:
            return await self._call("activity/unregister", account, fields, PATIENCE)
        fields |= {
            "activityToken": token,
            "timestamp": self._clock.now(),
            "bundleId": self.bundle_id,
            "apnsEnv": self.realm,
            "activityFormat": self._kind.activity_format,
        }
        return await self._call("activity/register", account, fields, PATIENCE)

    async def answer(self, payload: dict[str, Any], decision: str, patience: float = PATIENCE) -> Reply:
        """What a person decided about the request of a notification, posted until the relay takes or refuses it.

        Raises ValueError if the app cannot answer it: there is no request, no such choice, no pairing, or not the key that is needed.
        """
        request: dict[str, Any] = payload.get("request") or {}
        choices = [one.get("value") for one in request.get("choices", [])]
        account = content(payload).server_id
        if decision not in choices or account is None or account not in self._pairings:
            raise ValueError(f"the app cannot say {decision!r} to this notification")
        fields = {"requestID": request["id"], "nonce": request["nonce"], "decision": decision}
        if kid := request.get("kid"):
            parts = [request["id"], request["nonce"], "decision", decision, str(request["expiresAt"])]
            fields["proof"] = self.key_ring.proof(kid, parts)
            if fields["proof"] is None:
                raise ValueError("the app has not the key with which the computer wants the answer proved")
        return await self._call("answer", account, fields | {"deviceToken": self.token}, patience)

    # What it sees and does.

    def entered(self, state: AppState, before: AppState) -> None:
        """The app was opened, left, or ended by the person. Opened after it was ended it is launched anew."""
        if self.live_sessions is None or not self._pairings:
            return
        if state == "foreground" and before == "force_quit":
            self._tasks.start(self._launch(), "launch")
        self.live_sessions.entered(state)

    async def close(self) -> None:
        """The phone is taken away. Raises the first error that something of the app ended with."""
        await self._tasks.close()

    async def _launch(self) -> None:
        await self.start()

    def read(self, payload: dict[str, Any]) -> Content:
        """What the app's code sees of a push."""
        return content(payload)

    def knows(self, server_id: str | None) -> bool:
        """Whether a push of this server belongs to a pairing; the app compares the serverID as the link gave it."""
        return any(pairing.server_id == server_id for pairing in self._pairings.values())

    def open(self, url: str) -> None:
        """A tap on a notification or a Live Activity opened the app with this link."""
        self.opened.append(url)

    async def _call(self, route: str, account: str, fields: dict[str, Any], patience: float) -> Reply:
        pairing = self._pairings[account]
        body = {"secret": self.keychain.secret(account), **fields}
        reply = await call(self._clock, f"{pairing.relay_url}/v1/{route}", body, patience=patience)
        self._journal.record(
            "phone",
            route.removeprefix("device/").replace("/", " "),
            phone=self._device.name,
            outcome=reply.outcome,
            status=reply.status,
            attempts=reply.attempts,
        )
        return reply


def _account(pairing: Pairing) -> str:
    """What the keychain files a pairing under."""
    return pairing.server_id or pairing.hosts[0]
