"""The world of one case: a fresh sandbox, one iPhone (two for channels), a virtual clock, a client."""

import ssl
import warnings
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Self

from simulator.apns.delivery.service import LogEntry
from simulator.apns.registry import Realm
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.conform.cases import Case, CaseError, Names
from simulator.conform.client import Answer, Connection
from simulator.conform.provider_tokens import APP, ProviderTokens, register_teams
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec
from simulator.lab.errors import Impossible
from simulator.lab.lab import Lab
from simulator.phone.activitykit.activity import Activity
from simulator.phone.activitykit.attributes import EXPO_WIDGETS, decode
from simulator.phone.phone import Phone

Json = dict[str, Any]
MakeClock = Callable[[float], VirtualClock]
"""From UNIX seconds."""

T0 = 1_795_226_400
"""UNIX seconds at which every case begins."""
DAY = 86_400

PORTS = {
    "api.sandbox.push.apple.com": "sandbox",
    "api.push.apple.com": "production",
    "api-broadcast.sandbox.push.apple.com": "sandbox",
    "api-broadcast.push.apple.com": "production",
    "api-manage-broadcast.sandbox.push.apple.com": "manage-sandbox",
    "api-manage-broadcast.push.apple.com": "manage-production",
}
"""Apple's hosts, and the sandbox's port that stands for each."""
PHONE_PROFILE = frozenset({"update_budget", "la_allow_gate"})
"""The keys of profile.set that are the phone's; all others are APNs'."""


class Bench:
    """`async with Bench(case) as bench`: a day before T0 nothing has happened yet. `realm` and `bundle_id` are D1's tokens'."""

    def __init__(
        self, case: Case, realm: Realm = "sandbox", bundle_id: str = APP, clock: MakeClock = VirtualClock
    ) -> None:
        self.case, self.realm, self.bundle_id = case, realm, bundle_id
        self.request: Json = case.request or {}
        self.clock = clock(T0 - DAY)
        self.journal = Journal(self.clock)
        self.names = Names(self.clock.now)
        self.streams: list[tuple[Connection, int | None]] = []
        self.answer = Answer()
        self._activities_before: list[tuple[Activity, int]] = []
        self.ping_acknowledged = False
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None
        self._of_case: Connection | None = None
        self._before: Json | None = None
        self._requested: Any = None

    async def __aenter__(self) -> Self:
        """Build the world."""
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up and close the sandbox."""
        await self._stack.aclose()

    async def _build(self) -> None:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="conform-")))
        self.sandbox = Sandbox(self.clock, self.journal, random=Random(self.case.id), folder=folder)
        await self.sandbox.start()
        self._stack.push_async_callback(self.sandbox.close)
        self.tokens = ProviderTokens(register_teams(self.sandbox), self.clock.now)
        self.lab = Lab(self.clock, self.journal, self.sandbox)
        self.phone = self.add_phone("D1")
        self.names.words["UNKNOWN_TOKEN"] = self.unknown_token(32)

    async def begin(self) -> None:
        """It is T0; what was before is kept for comparison."""
        await self.advance_to(T0)
        self.budgets_before = {kind: self.remaining(kind) for kind in ("update", "start")}
        self.wakes_before, self.nse_before = self.phone.background_wakes, self.phone.nse_invocations
        self.mark()

    # The device.

    def add_phone(self, name: str) -> Phone:
        """As every iPhone of the case format: iOS 26, Live Activities and frequent updates on, no entitlement."""
        spec = DeviceSpec(name, self.bundle_id, self.realm, "26.0", activity_types=(EXPO_WIDGETS,))
        phone = self.lab.add_device(spec).phone
        phone.device.time_sensitive_entitlement = False
        return phone

    @property
    def phones(self) -> list[Phone]:
        """D1 and, for channels, D2."""
        return [device.phone for device in self.lab.devices]

    def unregister(self, since: float) -> None:
        """The app was removed, and APNs has confirmed that at `since`, UNIX seconds."""
        self.phone.device.app_installed = False
        for token in self.lab.device("D1").tokens.values():
            self.sandbox.registry.unregister(token, since)

    def unknown_token(self, size: int) -> str:
        """`size` bytes of hex that were never issued; always the same in one case."""
        return Random(f"unknown {size} {self.case.id}").randbytes(size).hex()

    def set_device(self, key: str, value: Any) -> None:
        """Change D1; what APNs would notice of that, it notices, and the provider a renewed push-to-start token."""
        try:
            self.lab.change_device("D1", {key: value})
        except Impossible as error:
            raise CaseError(str(error)) from None
        known = self.names.words.get("PTS_TOKEN")
        if key == "live_activities" and value and known in self.lab.device("D1").issuer.issued:
            self.names.words["PTS_TOKEN"] = self.phone.device.push_to_start_token or ""

    def set_profile(self, key: str, value: Any) -> None:
        """Change the simulator's configuration: the phone's part or APNs'."""
        try:
            if key in PHONE_PROFILE:
                self.phone.profile.set(key, value)
            else:
                self.sandbox.profile.set({key: value})
        except (ValueError, KeyError) as error:
            raise CaseError(str(error)) from None

    def remaining(self, kind: str) -> int:
        """What is left of D1's budget "update" or "start"; an update budget needs an activity."""
        if kind == "update" and self.phone.activities.newest is None:
            return 0
        return self.phone.activities.remaining(kind)

    # Channels.

    def new_channel(self, policy: int) -> str:
        """A channel of the app in the sandbox realm, made without a request."""
        return self.sandbox.channels.create("sandbox", APP, 1 if policy else 0, self.clock.now())

    def delete_channel(self, channel_id: str) -> None:
        """Delete it again."""
        self.sandbox.channels.delete("sandbox", APP, channel_id)

    def seed_channels(self, number: int) -> None:
        """Make channels; the last is ${CHANNEL_ID}, if the case has no other."""
        made = [self.new_channel(1) for _ in range(number)]
        self.names.words.setdefault("CHANNEL_ID", made[-1])

    def devices_updated(self) -> int:
        """How many phones have an activity that shows what the request said."""
        wanted = self.content_state("request")
        return sum(
            any(activity.content_state == wanted for activity in phone.activities.all)
            for phone in self.phones
        )

    # Time and network.

    async def advance_to(self, at: float) -> None:
        """Turn the clock to a time."""
        await self.advance(at - self.clock.now())

    async def advance(self, seconds: float) -> None:
        """Turn the clock; all that is due on the way happens."""
        await self.lab.advance(max(0.0, seconds))
        await self.finish()

    async def finish(self) -> None:
        """Finish what is due now, in the sandbox, on the phones and on the wire."""
        self.lab.run_due()
        if self._connection is not None:
            await self._connection.finish()

    async def connect(
        self, *, alpn: Sequence[str] = ("h2",), tls_max: str | None = None, client_cert: bool | None = None
    ) -> Connection:
        """A new connection to the host of the request; by default with a certificate if the case's variant has one."""
        if client_cert is None:
            client_cert = self.case.variant == "none_client_certificate"
        host = str(self.request.get("host", "")).rpartition(":")[0]
        if host not in PORTS:
            raise CaseError(f"unknown host {host!r}")
        connection = Connection()
        self._stack.push_async_callback(connection.close)
        await connection.open(self.sandbox.ports[PORTS[host]], self._tls(alpn, tls_max, client_cert))
        self._connection = connection
        return connection

    async def connection(self) -> Connection:
        """The present connection, opened at first use."""
        return self._connection or await self.connect()

    def connection_of_case(self) -> Connection:
        """The connection of the case's request; where none was sent, the present one."""
        connection = self._of_case or self._connection
        if connection is None:
            raise CaseError("the case has no connection")
        return connection

    def _tls(self, alpn: Sequence[str], tls_max: str | None, client_cert: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.sandbox.ca_pem)
        context.set_alpn_protocols(list(alpn))
        if tls_max is not None:
            _limit(context, tls_max)
        if client_cert:
            self.sandbox.issue_certificate(APP).configure_cert(context)
        return context

    def answer_next_with(self, status: int) -> None:
        """Arm one answer with its usual reason."""
        reasons = {429: "TooManyRequests", 500: "InternalServerError", 503: "ServiceUnavailable"}
        if status not in reasons:
            raise CaseError(f"no usual reason for status {status}")
        self.sandbox.faults.load(
            [{"do": {"answer": {"status": status, "reason": reasons[status]}}, "times": 1}]
        )

    # The case's request.

    def mark(self) -> None:
        """The case begins, or its request is about to be sent: what was before is kept for comparison."""
        activities = self.phone.activities
        self._activities_before = [(activity, len(activity.alerts)) for activity in activities.all]
        self._before = activities.newest.content_state if activities.newest else None
        self._requested = self._content_state_of_request()

    def started(self) -> int:
        """How many activities were started since the mark."""
        return len(self.phone.activities.all) - len(self._activities_before)

    def alerts(self, activity: Activity) -> int:
        """How often a push lit this activity up since the mark."""
        before = next((count for known, count in self._activities_before if known is activity), 0)
        return len(activity.alerts) - before

    def _content_state_of_request(self) -> Any:
        payload = self.request.get("payload")
        aps = payload.get("aps") if isinstance(payload, dict) else None
        stated = aps.get("content-state") if isinstance(aps, dict) else None
        try:
            return self.names.filled(stated)
        except CaseError:  # it names what the setup has yet to make
            return None

    def sent(self, answer: Answer) -> None:
        """The case's request was answered, or was not."""
        self.answer = answer
        self._of_case = self.streams[-1][0]

    def content_state(self, which: str) -> Any:
        """The content-state of the case's request as the app's type decodes it, or the activity's just before it.

        A content-state that the type cannot decode stands as it was sent.
        """
        if which == "previous":
            return self._before
        if "payload_size" in self.request:
            return {"name": "Run", "props": '{"phase":"working"}'}
        return decode(self._requested, EXPO_WIDGETS.content_state) or self._requested

    def delivery(self) -> LogEntry:
        """The delivery log's entry of the case's request, for D1 if it went to several devices."""
        headers = self.answer.headers
        apns_id = headers.get("apns-id") or headers.get("apns-request-id", "")
        entries = self.sandbox.delivery_log.entries(apns_id=apns_id)
        to_phone = [entry for entry in entries if entry.device == self.phone.name]
        if not entries:
            raise CaseError("the delivery log has no entry of the case's request")
        return (to_phone or entries)[-1]


def _limit(context: ssl.SSLContext, tls_max: str) -> None:
    """Offer nothing newer, at the security level at which OpenSSL still knows it."""
    if tls_max != "1.1":
        raise CaseError(f"unknown tls_max {tls_max!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old on purpose
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
