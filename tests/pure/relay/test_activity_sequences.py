"""One Live Activity under any sequence of news, tokens, pushes, answers, crashes and time: what must hold of its pushes."""

from dataclasses import dataclass, field
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity_values import (
    HOUR,
    LEASE_MS,
    MINUTE,
    NOW,
    SECOND,
    SECRET,
    SESSION,
    after_push,
    news,
    outcome,
    phone,
    registered,
    registration,
)
from relay.contract import ContentState, EventType, Status
from relay.server.live_activities.activity import Activity, Kind, kind
from relay.server.live_activities.life import ADOPTION_MS, TIMED_OUT_MS, observe, opened, timed_out
from relay.server.live_activities.push import begun, push
from relay.server.live_activities.settlement import Disposition
from relay.server.live_activities.tokens import dismissed

EVENTS: list[EventType] = [*get_args(EventType), "start", "progress", "progress", "permission"]
"""Twice or more what keeps a run going, or most runs would be over before anything can happen to them."""
STATUSES: list[Status | None] = [*[None] * 12, *get_args(Status)]
STARTABLE = {"starting", "started", "active", "lost"}
LOST = "lost"
FAILED = frozenset({"maybe sent", "not sent", "later", "dead"})


@dataclass
class Pushed:
    """A push that went out. `word` is the answer, '' while there is none; `fresh`: the first since a token was registered."""

    before: Activity
    under_way: Activity
    kind: Kind
    priority: int
    fresh: bool
    word: str = ""

    @property
    def at(self) -> int:
        return self.under_way.pushed_at

    @property
    def failed(self) -> bool:
        """Whether the same news may go out again."""
        return self.word in ("", *FAILED)


@dataclass
class Row:
    """The activity as a relay keeps it, from the first news until it is forgotten, and its pushes."""

    activity: Activity
    pushes: list[Pushed] = field(default_factory=list)
    fresh: bool = True


class OneActivity:
    """Plays the relay (any number of them, on one row), APNs, the session and the phone."""

    def __init__(self, can_start: bool) -> None:
        self.now, self.can_start = NOW, can_start
        self.row: Row | None = None
        self.newest: ContentState | None = None
        self.card = False  # whether the phone may show one
        self.over_since_start = False
        self.in_flight: list[Pushed] = []
        self.count = 0

    # The session.

    def news(self, event_type: EventType, status: Status | None) -> None:
        what = news(event_type, f"evt_{self.number()}", status=status, message=f"Message {self.count}")
        if self.row is None:
            if self.can_start and not what.ends:
                self.row = Row(opened(what, phone(), (SECRET, SESSION), self.now))
                self.newest = what.state
            return
        before = self.row.activity
        after = observe(before, what, can_start=self.can_start, now_ms=self.now)
        assert observe(after, what, can_start=self.can_start, now_ms=self.now) is after or after is before
        if after is not before:
            self.over_since_start = self.over_since_start or after.ends
            self.write(after)
            self.newest = what.state

    # The relay.

    def push_what_is_due(self, waits: bool) -> None:
        if self.row is None or self.row.activity.due_at is None:
            return
        if waits:
            self.now = max(self.now, self.row.activity.due_at or 0, self.row.activity.lease_until)
        before, claim = self.row.activity, f"relay#{self.number()}"
        under_way = begun(before, claim=claim, lease_until=self.now + LEASE_MS, now_ms=self.now)
        if under_way is None:
            return
        if kind(before) == "start" and not self.can_start:
            self.row = None  # the phone has no push-to-start token
            return
        one = push(before, under_way, before.activity_token or "ee")
        sent = Pushed(before, under_way, kind(before), one.priority, self.row.fresh)
        self.check_sequence(sent)
        self.row.pushes.append(sent)
        self.row.fresh = False
        self.card = self.card or sent.kind == "start"
        self.over_since_start = self.over_since_start and sent.kind != "start"
        self.in_flight.append(sent)
        self.write(under_way)

    def check_sequence(self, sent: Pushed) -> None:
        assert self.row is not None
        assert sent.before.lease_until <= self.now, "two relays at once"
        if sent.kind == "start":
            assert not self.card or self.awaited_in_vain(), "a second card"
        else:
            assert sent.before.activity_token, "nobody to push to"
        if not self.row.pushes:
            return
        last = self.row.pushes[-1]
        assert sent.under_way.timestamp > last.under_way.timestamp
        if sent.kind == "start" or sent.fresh:
            return
        assert sent.at - last.at >= SECOND, "more than one a second"
        if sent.under_way.pushed_status == last.under_way.pushed_status and not last.failed:
            assert sent.at - last.at >= 12 * SECOND, "equal phase within 12 s"
        urgent = [one for one in (*self.row.pushes, sent) if one.kind != "start" and one.priority == 10]
        assert sum(one.at > self.now - HOUR for one in urgent) <= 10

    def awaited_in_vain(self) -> bool:
        """APNs takes a start that no phone shows (kylebshr/luka-ios#146): a run that is over without its card's token having
        come is no reason against a card for the next, which waits a moment for that token.
        """
        assert self.row is not None
        last = self.row.pushes[-1]
        return last.kind == "start" and self.over_since_start and self.now - last.at >= ADOPTION_MS

    def sweep(self) -> None:
        one = self.row and self.row.activity
        if one and one.stage in STARTABLE and not one.ends and one.began_at < self.now - TIMED_OUT_MS:
            after = timed_out(one, self.now)
            if after is not one:
                self.write(after)
                self.newest = after.state

    # APNs.

    def answer(self, word: Any, dead_for: int | None, which: int) -> None:
        if not self.in_flight:
            return
        sent = self.in_flight.pop(which % len(self.in_flight))
        if word == LOST:  # that relay died
            return
        sent.word = word
        if self.row is None or self.row.activity.lease_owner != sent.under_way.lease_owner:
            return  # another relay goes on with it
        dead_since = None if dead_for is None else self.now - dead_for
        before = self.row.activity
        after = after_push(before, sent.before, outcome(word, dead_since=dead_since), self.now)
        if sent.kind == "start" and word not in ("sent", "maybe sent") and before.stage not in ("active",):
            self.card = False
        if after is None:
            self.row = None
            return
        if after.activity_token is None and before.activity_token == sent.before.activity_token is not None:
            self.card = False  # it ended, or its token died
        self.write(after)

    # The phone.

    def registers(self, rotates: bool) -> None:
        there = [self.row.activity] if self.row else []
        kept = there[0].activity_token if there else None
        token = kept if kept and not rotates else f"{self.number():08x}"
        after, gone = registered(there, registration(activity_token=token), self.now)
        assert gone is None
        if self.row is None:
            self.row = Row(after)
            self.newest = None
        elif there[0].stage == "ended":
            self.newest = None  # a card of the app's own
        self.row.fresh, self.card = True, True
        self.write(after)

    def unregisters(self) -> None:
        if self.row is None:
            return
        self.card = False
        self.write(dismissed(self.row.activity, self.now))

    # Time.

    def time_passes(self, ms: int) -> None:
        self.now += ms

    # What must hold when everything is quiet, after any sequence.

    def all_is_quiet(self) -> None:
        self.quiet()
        if self.row is None:
            return
        one = self.row.activity
        assert one.due_at is None
        assert one.lease_until <= self.now
        assert one.stage != "starting"
        assert not one.ends or one.stage in ("ended", "started", "lost")
        if one.stage == "active":
            assert one.state == self.newest
        if one.stage == "active" and one.state is not None:
            assert self.row.pushes[-1].before.state == one.state

    def quiet(self) -> None:
        """Everything that is due goes out, and APNs takes it."""
        for _ in range(20):
            while self.in_flight:
                self.answer(word="sent", dead_for=None, which=0)
            if self.row is None or self.row.activity.due_at is None:
                if self.row:
                    self.now = max(self.now, self.row.activity.lease_until)
                return
            self.push_what_is_due(waits=True)

    def write(self, after: Activity) -> None:
        assert self.row is not None
        assert after.due_at is None or after.state is not None, "a push without a state is due"
        assert (after.stage == "active") == (after.activity_token is not None)
        self.row.activity = after
        if after.stage == "ended":
            self.card = False

    def number(self) -> int:
        self.count += 1
        return self.count


def step(name: str, **about: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(about))


NEWS = step("news", event_type=st.sampled_from(EVENTS), status=st.sampled_from(STATUSES))
PUSH = step("push_what_is_due", waits=st.sampled_from([True, True, False]))
TIMES = [1, 200, 999, SECOND, 5 * SECOND, 12 * SECOND, LEASE_MS, MINUTE, 15 * MINUTE, 8 * HOUR]
ANSWER = step(
    "answer",
    word=st.sampled_from([*get_args(Disposition), "sent", "sent", LOST]),
    dead_for=st.none() | st.sampled_from([0, SECOND, HOUR]),
    which=st.integers(0, 5),
)
STEP_KINDS = [
    *[NEWS] * 6,
    *[PUSH] * 6,
    *[ANSWER] * 5,
    *[step("registers", rotates=st.booleans())] * 2,
    *[step("time_passes", ms=st.sampled_from(TIMES))] * 2,
    *[step("all_is_quiet")] * 2,
    step("unregisters"),
    step("sweep"),
]
STEPS = st.integers(0, len(STEP_KINDS) - 1).flatmap(
    STEP_KINDS.__getitem__
)  # one_of would drop the repetitions


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(can_start=st.booleans(), steps=st.lists(STEPS, min_size=40, max_size=60))
def test_any_sequence(can_start: bool, steps: list[tuple[str, dict[str, Any]]]) -> None:
    one = OneActivity(can_start)
    for name, about in steps:
        getattr(one, name)(**about)
    one.all_is_quiet()
