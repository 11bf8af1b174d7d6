"""One's own relay under load, with Locust: how fast it answers, and how fast the phones ring.

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080

Three kinds of users, each with a secret of its own: `Alerts` (an OpenCode whose sessions end, fail or ask), `Cards` (one with a
Live Activity that goes from start to end) and `Apps` (phones whose app is opened and registers again). Choose among them with
`--class-picker` or by name at the end of the command line.

With `--sandbox http://127.0.0.1:8901`, the control address of a `simulator apns` that the relay pushes to, each user has `--phones`
simulated phones there, and how long an event takes to a phone's screen is a request of its own (type APNs: `alert on the phone`,
`card starts`, ...); what is not there within 30 s is a failure. Times are UNIX seconds of both machines: on two machines
their clocks must agree. Without it the device tokens are made up: against Apple's hosts the relay will be told that they are bad.
"""

import itertools
import json
import random
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import gevent
import requests
from locust import FastHttpUser, events, stats, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

PATIENCE: Final = 30.0
"""Seconds until what was not seen on a phone is reported as a failure."""
LAST_SECONDS: Final = 5.0
"""Seconds that phones have for what was reported last before the test ends."""
ALERTS: Final = ("complete", "permission", "error")
APNS: Final = "APNs"

Json = dict[str, Any]

stats.HISTORY_STATS_INTERVAL_SEC = 1
"""Seconds between two points of Locust's charts, for runs of less than a minute; 5 without this."""


class Arrivals:
    """What must come to phones, and when it was asked for; each becomes a request of Locust's statistics."""

    def __init__(self, environment: Environment) -> None:
        self._request: Any = environment.events.request
        self._awaited: dict[tuple[str, str], tuple[str, float, int]] = {}

    def expect(self, session: str, what: str, name: str, phones: int) -> None:
        """From now on: so many phones show it, `what` as the sandbox's journal calls it."""
        if phones:
            self._awaited[session, what] = name, time.time(), phones

    def forget(self, session: str, what: str) -> None:
        """It was not taken."""
        self._awaited.pop((session, what), None)

    def saw(self, entry: Mapping[str, Any]) -> None:
        """An entry of the journal."""
        key = entry.get("detail", {}).get("sessionID"), entry.get("what")
        if entry.get("where") != "phone" or key not in self._awaited:
            return
        name, asked, phones = self._awaited.pop(key)
        if phones > 1:
            self._awaited[key] = name, asked, phones - 1
        self._count(name, entry["at"] - asked)

    def give_up(self, patience: float = PATIENCE) -> None:
        """What has not come for so long is not waited for any more."""
        for key, (name, asked, phones) in list(self._awaited.items()):
            if time.time() - asked >= patience:
                del self._awaited[key]
                for _ in range(phones):
                    self._count(
                        name, time.time() - asked, TimeoutError(f"not on the phone after {patience:g} s")
                    )

    def wait(self, sessions: str, seconds: float = LAST_SECONDS) -> None:
        """Until nothing of the sessions that begin so is awaited any more, or this time is over."""
        ends = time.time() + seconds
        while any(session.startswith(sessions) for session, _ in self._awaited) and time.time() < ends:
            gevent.sleep(0.05)

    def _count(self, name: str, seconds: float, wrong: Exception | None = None) -> None:
        self._request.fire(
            request_type=APNS, name=name, response_time=1000 * max(0.0, seconds), response_length=0, exception=wrong, context={}
        )  # fmt: skip


class Sandbox:
    """The control API of a `simulator apns`."""

    def __init__(self, url: str, bundle_id: str) -> None:
        self._url = url.rstrip("/").removesuffix("/control") + "/control"
        self._bundle_id = bundle_id

    def phone(self) -> Json:
        """A new phone with the app."""
        return dict(
            self._ask("POST", "/devices", name=f"load-{secrets.token_hex(4)}", bundle_id=self._bundle_id)[
                "device"
            ]
        )

    def check(self) -> None:
        """Ends Locust with one sentence if it is not there."""
        try:
            self._ask("GET", "")
        except requests.RequestException as error:
            raise SystemExit(
                f"locustfile: no APNs sandbox answers at {self._url} ({type(error).__name__}): start `simulator apns`, "
                "or leave --sandbox away, and nothing is measured on phones"
            ) from None

    def remove(self, phone: str) -> None:
        """The phone is gone."""
        self._ask("DELETE", f"/devices/{phone}")

    def card_token(self, phone: str, session: str) -> str | None:
        """The update token of the session's card there; None if it shows none."""
        cards = self._ask("GET", f"/devices/{phone}")["device"]["activities"]
        return next((card["token"] for card in cards if card["attributes"].get("sessionId") == session), None)

    def entries(self) -> Iterator[Json]:
        """The journal from now on, until the sandbox stops. requests.RequestException if it cannot be reached."""
        with requests.get(f"{self._url}/events", stream=True, timeout=(5, None)) as stream:
            stream.raise_for_status()
            for line in stream.iter_lines():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def _ask(self, method: str, path: str, **body: Any) -> Json:
        reply = requests.request(method, self._url + path, json=body or None, timeout=10)
        reply.raise_for_status()
        return dict(reply.json())


class MadeUp:
    """Phones of nobody, for a relay whose APNs is not the sandbox."""

    def phone(self) -> Json:
        """Tokens that look like real ones."""
        return {
            "name": "",
            "realm": "production",
            "tokens": {"alert": secrets.token_hex(32), "push-to-start": secrets.token_hex(80)},
        }

    def remove(self, phone: str) -> None:
        """Nothing is there."""

    def card_token(self, phone: str, session: str) -> str | None:
        """Nothing shows a card."""


class RelayUser(FastHttpUser):
    """Somebody with a secret and phones, of which the relay knows."""

    abstract = True
    arrivals: Arrivals

    def on_start(self) -> None:
        """Choose a secret; the phones register."""
        options = self.environment.parsed_options
        self.bundle_id = options.bundle_id
        self.place = Sandbox(options.sandbox, options.bundle_id) if options.sandbox else MadeUp()
        self.secret = secrets.token_urlsafe(32)
        self.sessions = f"ses_{self.secret[:8]}_"
        self.numbers = itertools.count(1)
        self.pair()

    def on_stop(self) -> None:
        """The phones are taken back, as soon as they have what was sent to them."""
        self.arrivals.wait(self.sessions)
        for phone in self.phones:
            self.post("/v1/device/unregister", deviceToken=phone["tokens"]["alert"])
            self.place.remove(phone["name"])

    def wait_time(self) -> float:
        """Seconds between two tasks."""
        return float(random.uniform(0.5, 1.5) * self.environment.parsed_options.pause)

    def pair(self) -> None:
        """New phones."""
        self.phones = [self.place.phone() for _ in range(self.environment.parsed_options.phones)]
        for phone in self.phones:
            self.register(phone)

    def register(self, phone: Json) -> None:
        """As the app does when it is opened."""
        tokens = phone["tokens"]
        self.post(
            "/v1/device/register", deviceToken=tokens["alert"], pushToStartToken=tokens["push-to-start"],
            apnsEnv=phone["realm"], bundleId=self.bundle_id,
        )  # fmt: skip

    def report(self, session: str, kind: str, what: str, name: str, **more: Any) -> None:
        """An event, as the bridge sends it; what the relay takes must come to every phone."""
        self.arrivals.expect(session, what, name, sum(bool(phone["name"]) for phone in self.phones))
        taken = False
        try:
            body = {"eventType": kind, "sessionID": session, "eventID": secrets.token_hex(16)} | more
            taken = self.post("/v1/event", name=f"/v1/event {kind}", **body)
        finally:
            if not taken:  # refused, or the test ends in the middle of it
                self.arrivals.forget(session, what)

    def post(self, path: str, name: str | None = None, **body: Any) -> bool:
        """Whether it was taken; every refusal is a failure in Locust's statistics."""
        reply = self.client.post(path, json={"secret": self.secret} | body, name=name or path)
        return bool(reply.ok)

    def think(self) -> None:
        """As long as `wait_time` says."""
        self.wait()  # type: ignore[no-untyped-call]

    def new_session(self) -> str:
        """Its id."""
        return f"{self.sessions}{next(self.numbers)}"


class Alerts(RelayUser):
    """An OpenCode whose sessions end, fail or ask; each rings on every phone."""

    weight = 6

    @task
    def ring(self) -> None:
        """One session after the other."""
        session = self.new_session()
        kind = ALERTS[next(self.numbers) % len(ALERTS)]
        self.report(
            session, kind, "shown", "alert on the phone", title="Fix the login", body="All 214 tests pass."
        )


class Cards(RelayUser):
    """An OpenCode whose session has a Live Activity: it starts, asks, goes on and ends."""

    weight = 3

    @task
    def one_run(self) -> None:
        """From start to end, with the app's registration of the card between; then on new phones, for iOS limits the starts of one."""
        session = self.new_session()
        self.step(session, "start", "working", "started", "card starts")
        self.think()
        self.register_cards(session)
        self.think()
        self.step(session, "permission", "permission", "updated", "card asks")
        self.think()
        self.step(session, "complete", "complete", "ended", "card ends")
        super().on_stop()
        self.pair()

    def step(self, session: str, kind: str, status: str, what: str, name: str) -> None:
        """One change of the session, seen on the phones before the next: what is overtaken by a newer state is not shown."""
        state = {"status": status, "sessionTitle": "Fix the login", "lastMessage": "Reading the tests"}
        self.report(
            session, kind, what, name, title="Fix the login", body="Reading the tests", contentState=state
        )
        self.arrivals.wait(session, PATIENCE)

    def register_cards(self, session: str) -> None:
        """As the app does when iOS gives it a card's token."""
        for phone in self.phones:
            token = self.place.card_token(phone["name"], session) or secrets.token_hex(80)
            self.post(
                "/v1/activity/register",
                sessionID=session,
                activityToken=token,
                deviceToken=phone["tokens"]["alert"],
            )


class Apps(RelayUser):
    """Phones whose app is opened now and then."""

    weight = 1

    @task
    def open(self) -> None:
        """It registers again, as every app must at each start."""
        for phone in self.phones:
            self.register(phone)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def options(parser: LocustArgumentParser) -> None:
    """Also fields of Locust's page."""
    parser.add_argument(
        "--sandbox", default="", help="control address of the `simulator apns` that the relay pushes to"
    )
    parser.add_argument("--phones", type=int, default=1, help="of each user")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds between two tasks of a user, on average"
    )
    parser.add_argument("--bundle-id", default="com.example.app", help="of the app on the phones")


@events.init.add_listener  # type: ignore[untyped-decorator]
def watch(environment: Environment, **_: Any) -> None:
    """Follow the sandbox's journal, if there is one."""
    RelayUser.arrivals = Arrivals(environment)
    sandbox = environment.parsed_options.sandbox if environment.parsed_options else ""
    if sandbox:
        Sandbox(sandbox, "").check()
        gevent.spawn(_follow, Sandbox(sandbox, ""), RelayUser.arrivals)
        gevent.spawn(_give_up_in_time, RelayUser.arrivals)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def close_accounts(**_: Any) -> None:
    """What no phone has shown by now is a failure, too."""
    RelayUser.arrivals.give_up(patience=0)


def _follow(sandbox: Sandbox, arrivals: Arrivals) -> None:
    for entry in sandbox.entries():
        arrivals.saw(entry)


def _give_up_in_time(arrivals: Arrivals) -> None:
    while True:
        gevent.sleep(1)
        arrivals.give_up()
