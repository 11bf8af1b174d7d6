"""A machine of Live Activities: relays, sandbox and phone, what may happen to them, and the invariants of the card.

Two relays on one database, the sandbox's own judgement and delivery, and the phone's ActivityKit, on a virtual clock.
`ACTIVITY_EXAMPLES` (default: a few) sets how many random stories are played, each of up to `STEPS` steps.
"""

import asyncio
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from activity_relay import BUNDLE, HASH, PHONE, SECRET, Relay
from outcomes import answered
from relay.apns.push import Push
from relay.contract import ActivityUnregister, ContentState, EventType, Status
from relay.server.store import activities
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from sandbox_gateway import OUTCOMES, SandboxGateway
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock, VirtualClock
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab
from simulator.phone.activitykit.activity import Activity
from waiting import eventually

EXAMPLES = int(os.environ.get("ACTIVITY_EXAMPLES", "25"))
STEPS = 40
MACHINES = ("relay", "phone", "APNs")
SESSIONS = ("ses_1", "ses_2")
WIRE: dict[str, tuple[EventType, Status]] = {
    "start": ("start", "working"),
    "progress": ("progress", "working"),
    "retry": ("progress", "retry"),
    "permission": ("permission", "permission"),
    "complete": ("complete", "complete"),
    "error": ("error", "error"),
    "stopped": ("progress", "complete"),
}
EVENTS = sorted(WIRE)
RELAYS = st.sampled_from([0, 1])
HOUR = 3600


class Cards(RuleBasedStateMachine):
    """One phone with two sessions; its app registers tokens when the rule lets it, and keeps one card a session."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = VirtualClock()
        self.clocks = {where: self.clock_of(where) for where in MACHINES}
        journal = Journal(self.clock)
        self.sandbox = Sandbox(self.clocks["APNs"], journal, random=Random(1))
        self.sandbox.profile.device_rate = None
        self.sandbox.add_app(BUNDLE)
        lab = Lab(self.clocks["phone"], journal, self.sandbox)
        device = lab.add_device(DeviceSpec("iPhone", BUNDLE, "production"))
        device.issuer._clock = self.clocks["APNs"]  # the times of dead tokens are APNs' own
        self.phone = device.phone
        self.gateway = SandboxGateway(self.sandbox, self.clocks["relay"])
        self.tokens: dict[str, tuple[Activity, str]] = {}
        self.phone.on_activity_token(self._token_came)
        self.last: dict[str, str] = {}
        self.messages = 0
        self.do(self._open())

    def clock_of(self, _where: str) -> Clock:
        """What time it is on this machine; of the relays both are on one."""
        return self.clock

    def relay_clock_was_set(self, _after: float, _until: float) -> bool:
        """Between these moments: what is counted or measured over them by its clock begins anew."""
        return False

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _open(self) -> None:
        connection = await open_database(f"sqlite://{Path(self.folder.name)}/relay.sqlite3")
        self.connection, self.db = connection, Database(connection)
        self.relays = [self._relay(number) for number in range(2)]
        start_token = self.phone.device.push_to_start_token
        await self.relays[0].add_phone(start_token=start_token)

    def _relay(self, number: int) -> Relay:
        """Of a process of its own: what keeps relays apart is the database, not that they wait for each other."""
        return Relay(Database(self.connection), self.gateway, self.clocks["relay"], f"host:{number}")  # type: ignore[arg-type]

    def teardown(self) -> None:
        self.do(self._close())
        self.loop.close()
        self.folder.cleanup()

    async def _close(self) -> None:
        self.gateway.release()
        for relay in self.relays:
            await relay.sender.engine.stop(1)
        await close_database()

    # What the app does.

    def _token_came(self, activity: Activity, token: str) -> None:
        """As the plan wants it: a running activity of the same session ends before another begins."""
        session = activity.attributes["sessionId"]
        for other in self.phone.activities.active:
            if other is not activity and other.attributes["sessionId"] == session:
                self.phone.activities.remove(other, "the session has another")
        self.tokens[session] = (activity, token)

    @rule(one=RELAYS)
    def the_app_registers_what_it_has(self, one: int) -> None:
        for session, (activity, token) in tuple(self.tokens.items()):
            del self.tokens[session]
            if activity.running:
                self.do(self.relays[one].register(token, session=session, apns_env="production"))

    # What happens.

    @rule(one=RELAYS, session=st.sampled_from(SESSIONS), event=st.sampled_from(EVENTS), then=st.booleans())
    def an_event(self, one: int, session: str, event: str, then: bool) -> None:
        self._receive(one, session, event)
        if then:
            self.do(self._push())

    @rule(one=RELAYS, session=st.sampled_from(SESSIONS), seconds=st.integers(3, 40))
    def steady_work(self, one: int, session: str, seconds: int) -> None:
        """The app is quick to register, and every second something is done."""
        for _ in range(seconds):
            self._receive(one, session, "progress")
            self.do(self._push())
            self.the_app_registers_what_it_has(one)
            self.time_passes(1)

    @rule(one=RELAYS, session=st.sampled_from(SESSIONS), questions=st.integers(1, 12))
    def many_questions(self, one: int, session: str, questions: int) -> None:
        for event in ["permission", "progress"] * questions:
            self._receive(one, session, event)
            self.do(self._push())
            self.the_app_registers_what_it_has(one)
            self.time_passes(2)

    def _receive(self, one: int, session: str, event: str) -> None:
        self.messages += 1
        message = f"message {self.messages}"
        event_type, status = WIRE[event]
        state = ContentState(status=status, session_title=session, last_message=message)
        self.do(self.relays[one].receive(event_type, session=session, content_state=state))
        self.last[session] = message

    @rule(session=st.sampled_from(SESSIONS))
    def two_events_at_once(self, session: str) -> None:
        state = ContentState(status="working", session_title=session, last_message="either")

        async def both() -> None:
            await asyncio.gather(
                *(relay.receive("progress", session=session, content_state=state) for relay in self.relays)
            )

        self.do(both())
        self.last.pop(session, None)  # either may be the newest

    @rule(seconds=st.sampled_from([0.2, 1, 5, 12, 60, 900, 3 * HOUR]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.clock.advance(seconds))
        self.do(self._settled())
        self.phone.run_due()
        self.sandbox.discard_expired()

    @rule()
    def both_relays_push(self) -> None:
        self.do(self._push())

    @rule(one=RELAYS)
    def a_relay_is_killed(self, one: int) -> None:
        async def restart() -> None:
            await self.relays[one].sender.engine.stop(0)
            self.relays[one] = self._relay(one)
            await activities.release_leases(self.db, f"host:{one}")

        self.do(restart())

    @rule(fault=st.sampled_from(sorted(OUTCOMES)))
    def something_goes_wrong(self, fault: Any) -> None:
        self.gateway.faults.append(fault)

    @rule()
    def slow_answers_come(self) -> None:
        self.gateway.release()
        self.do(self._settled())

    @rule(online=st.booleans())
    def the_phone_goes_on_or_off_line(self, online: bool) -> None:
        self.phone.set("online", online)
        if online:
            self.sandbox.reconnected(self.phone)

    @precondition(lambda self: self.phone.online)
    @rule()
    def a_token_rotates(self) -> None:
        """Only APNs hands tokens out (assumed: to nobody it does not reach). Else an end that waits there would go with
        the old one, and nobody could tell the card with the new one from a card of the next run.
        """
        self.rotate()

    def rotate(self) -> None:
        for activity in self.phone.activities.active:
            if activity.token is not None and activity.update_token_known:
                self.phone.activities.rotate(activity)

    @rule()
    def the_person_swipes_a_card_away(self) -> None:
        self.phone.activities.swipe()

    @rule(session=st.sampled_from(SESSIONS), one=RELAYS)
    def the_app_ends_its_card(self, session: str, one: int) -> None:
        for activity in self.phone.activities.active:
            if activity.attributes["sessionId"] == session:
                self.phone.activities.remove(activity, "the person stopped monitoring")
                self.tokens.pop(session, None)
        over = ActivityUnregister(secret=SECRET, session_id=session, device_token=PHONE)
        self.do(self.relays[one].registrations.unregister(over))

    async def _push(self) -> None:
        """Both look at the same time; pushes that are slow stay in flight, all others are settled."""
        await asyncio.gather(*(relay.sender.engine.poll() for relay in self.relays))
        await self._settled()

    async def _settled(self) -> None:
        await eventually(lambda: self._in_flight() == self.gateway.held)

    def _in_flight(self) -> int:
        return sum(len(relay.sender.engine.held) for relay in self.relays)

    # What must hold.

    @invariant()
    def a_step_was_made(self) -> None:
        type(self).steps += 1

    @invariant()
    def one_card_a_session(self) -> None:
        running = [activity.attributes["sessionId"] for activity in self.phone.activities.active]
        assert len(running) == len(set(running)), f"two cards: {running}"

    @invariant()
    def timestamps_only_grow(self) -> None:
        for pushes in self._by_activity().values():
            stamps = [_aps(push)["timestamp"] for _, push, _ in pushes]
            assert stamps == sorted(set(stamps)), f"out of order: {stamps}"

    @invariant()
    def ten_urgent_ones_an_hour(self) -> None:
        for pushes in self._by_activity().values():
            times = [at for at, push, _ in pushes if push.priority == 10 and _aps(push)["event"] != "start"]
            for at in times:
                within = sum(at - HOUR < other <= at for other in times)
                assert within <= 10 or self.relay_clock_was_set(at - HOUR, at), f"{within} in an hour"

    @invariant()
    def equal_phases_keep_their_distance(self) -> None:
        for pushes in self._by_token().values():
            arrived = [(at, _aps(push)) for at, push, said in pushes if said == answered(200)]
            for (at, aps), (later, following) in pairwise(arrived):
                if _phase(aps) == _phase(following):
                    apart = later - at >= 11.99 or self.relay_clock_was_set(at, later)
                    assert apart, f"{later - at} s after the same phase"

    def _by_activity(self) -> dict[str, list[Any]]:
        """Pushes by session: each has one activity at a time on this phone."""
        found: dict[str, list[Any]] = defaultdict(list)
        for entry in self.gateway.asked:
            found[_aps(entry[1])["content-state"]["sessionTitle"]].append(entry)
        return found

    def _by_token(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for entry in self.gateway.asked:
            if _aps(entry[1])["event"] != "start":
                found[entry[1].device_token].append(entry)
        return found

    @rule()
    def all_is_well_in_the_end(self) -> None:
        """Nothing goes wrong any more, and time passes: each card says what came last, and what is over has gone."""
        self.gateway.faults.clear()
        self.gateway.release()
        self.phone.set("online", True)
        self.sandbox.reconnected(self.phone)
        for _ in range(3):
            self.the_app_registers_what_it_has(0)
            for _ in range(8):
                self.do(self.clock.advance(130))
                self.do(self._push())
                self.phone.run_due()
        states = {one.session_id: one for session in SESSIONS for one in self.do(self._rows(session))}
        cards = {card.attributes["sessionId"]: card for card in self.phone.activities.active}
        for session, card in cards.items():
            row = states[session]
            if card.token is not None and row.stage == "ended":
                raise AssertionError(f"{session} is over and its card still there: {row}")
            if row.stage == "active" and session in self.last and row.activity_token == card.token:
                assert card.content_state["lastMessage"] == self.last[session]
                assert not row.ends

    async def _rows(self, session: str) -> Any:
        return await activities.of_session(self.db, HASH, session)


def _phase(aps: Any) -> tuple[str, str]:
    return aps["event"], aps["content-state"]["status"]


def _aps(push: Push) -> Any:
    return json.loads(push.payload)["aps"]


def play(examples: int, *phases: Phase, machine: type[Cards] = Cards) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            phases=phases or tuple(Phase),
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize="ACTIVITY_EXAMPLES" not in os.environ,
            print_blob=True,
        ),
    )
