"""Update tokens in any order of registrations, ends, answers of APNs and updates: a token that is over never costs a live one.

Source of the kind: kylebshr/luka-ios#146, where the stream of tokens of a card that had ended yielded once more.
"""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity_values import (
    LEASE_MS,
    NOW,
    SECOND,
    SECRET,
    SESSION,
    after_push,
    news,
    outcome,
    phone,
    registration,
)
from relay.server.live_activities import tokens as token_rules
from relay.server.live_activities.activity import Activity, kind
from relay.server.live_activities.life import observe, opened
from relay.server.live_activities.push import begun


class Session:
    """One session on one phone: its cards, one after the other, with the tokens that each had; and the relay's row."""

    def __init__(self) -> None:
        self.now = NOW
        self.tokens: list[str] = []  # all there ever were
        self.live: str | None = None
        self.died_at: dict[str, int] = {}
        self.registered: list[str] = []
        self.known_dead: set[str] = set()
        self.delivered: list[str] = []
        self.count = 0
        first = news("start", "evt_0")
        self.row: Activity | None = opened(first, phone(), (SECRET, SESSION), NOW)

    # The phone.

    def card_begins(self) -> None:
        self.card_goes()
        self.token_rotates()

    def token_rotates(self) -> None:
        self.card_goes()
        self.live = f"{len(self.tokens):04x}"
        self.tokens.append(self.live)
        self.registers(len(self.tokens) - 1)

    def card_goes(self) -> None:
        if self.live:
            self.died_at[self.live] = self.now
        self.live = None

    def registers(self, which: int) -> None:
        """Late, again, or for the first time: whatever token the phone ever had."""
        if not self.tokens:
            return
        token = self.tokens[which % len(self.tokens)]
        self.registered.append(token)
        known = [self.row] if self.row else []
        changes = token_rules.registered(known, registration(activity_token=token), self.now)
        for after in (*changes.new, *changes.changed):
            assert token not in self.known_dead, "a token that is known to be over was taken"
            self.row = after

    # The session.

    def happens(self, event_type: Any) -> None:
        self.count += 1
        self.now += SECOND
        if self.row:
            what = news(event_type, f"evt_{self.count}", message=str(self.count))
            self.row = observe(self.row, what, can_start=True, now_ms=self.now)

    # The relay, and APNs.

    def push(self) -> None:
        if self.row is None or self.row.due_at is None:
            return
        self.now = max(self.now, self.row.due_at, self.row.lease_until)
        before = self.row
        under_way = begun(before, claim="relay#1", lease_until=self.now + LEASE_MS, now_ms=self.now)
        assert under_way is not None
        self.row = after_push(under_way, before, self.answer(before), self.now)

    def answer(self, before: Activity) -> Any:
        token = before.activity_token
        if kind(before) == "start":
            return outcome("sent")
        assert token is not None
        if token != self.live:
            self.known_dead.add(token) if self.died_at[token] > before.registered_at else None
            return outcome("dead", dead_since=self.died_at[token])
        self.delivered.append(token)
        if kind(before) == "end":
            self.known_dead.add(token)
            self.card_goes()
        return outcome("sent")

    # What must hold.

    def settle(self) -> None:
        for _ in range(40):
            if self.row is None or self.row.due_at is None:
                return
            self.push()
        raise AssertionError("it never comes to rest")


STEPS = st.one_of(
    st.tuples(st.just("happens"), st.sampled_from(["start", "progress", "permission", "complete"])),
    st.tuples(st.just("registers"), st.integers(0, 8)),
    st.sampled_from(
        [("card_begins",), ("token_rotates",), ("card_goes",), ("push",), ("push",), ("settle",)]
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=40), last=st.lists(st.integers(0, 8), max_size=5))
def test_in_any_order_the_live_card_gets_the_newest_state(steps: list[Any], last: list[int]) -> None:
    """A card that is there, whose token was registered at least once, whatever was registered before and after it."""
    session = Session()
    for name, *about in steps:
        getattr(session, name)(*about)
    session.happens("start")
    session.settle()
    session.card_begins()
    for which in last:
        session.registers(which)
    session.happens("permission")
    session.settle()
    assert session.delivered
    assert session.delivered[-1] == session.live
    assert session.row is not None
    assert session.row.state == news("permission", message=str(session.count)).state
    session.happens("complete")
    session.settle()
    assert session.delivered[-1] == session.tokens[-1]
    assert session.row is not None
    assert session.row.stage == "ended"
