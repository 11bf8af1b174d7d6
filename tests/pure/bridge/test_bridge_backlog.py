"""What waits for a relay that is away: the newest progress, and every alert."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.mapping import is_progress
from relay.bridge.notify.outbox import Backlog
from relay.contract import ContentState, Event, EventType, Status

KINDS: dict[str, tuple[EventType, Status]] = {
    "~": ("progress", "working"),
    ">": ("start", "working"),
    "?": ("permission", "permission"),
    "!": ("error", "error"),
    "=": ("progress", "complete"),  # an end that does not ring
    "x": ("progress", "error"),
}


def event(name: str) -> Event:
    """Event "a1?" of session "a" is a permission, "a1" a completion."""
    kind, status = KINDS.get(name[-1], ("complete", "complete"))
    state = ContentState(status=status, session_title="Fix it", last_message="...")
    return Event(secret="s" * 24, event_type=kind, session_id=name[0], content_state=state, event_id=name)


def play(script: str, bound: int = 4) -> str:
    """Puts the events that the script names; `take a`, `back a`, `done a` and `withdraw a1`. What waits then.

    After a bar stands what was given up; after `take` what was taken.
    """
    backlog = Backlog(bound)
    said: list[str] = []
    for step in script.split("; "):
        word, _, name = step.rpartition(" ")
        if word == "":
            said += [f"|{lost.event_id}" for lost in backlog.put(event(name))]
        elif word == "take":
            taken = backlog.take(name)
            said.append(f"<{taken.event_id if taken else None}")
        elif word == "skip":
            said += [f"|{one.event_id}" for one in backlog.skip_cards(name)]
            first = backlog.first(name)
            said.append(f"^{first.event_id if first else None}")
        elif word == "withdraw":
            backlog.withdraw(name[0], name)
        else:
            {"back": backlog.back, "done": backlog.done}[word](name)
    left = [one.event_id or "" for one in backlog.events()]
    assert len(backlog) == len(left)
    return " ".join([*left, *said])


CASES = {
    "cards before an alert are skipped": ("a1>; a2=; a3?; a4; skip a", "a3? a4 |a1> |a2= ^a3?"),
    "cards without an alert stay": ("a1>; a2~; skip a", "a1> a2~ ^a1>"),
    "an alert is first": ("a1; a2~; skip a", "a1 a2~ ^a1"),
    "a session's events come out in order": ("a1; a2; take a; done a; take a; done a; take a", "<a1 <a2 <None"),
    "progress replaces waiting progress": ("b1; a1~; a2~", "b1 a2~"),
    "an alert replaces waiting progress": ("b1; a1~; a2", "b1 a2"),
    "a start replaces waiting progress": ("b1; a1~; a2>", "b1 a2>"),
    "an end replaces waiting progress": ("b1; a1~; a2!", "b1 a2!"),
    "progress does not replace a start": ("a1>; a2~", "a1> a2~"),
    "progress does not replace an alert": ("a1?; a2~", "a1? a2~"),
    "progress does not replace a silent end": ("a1=; a2~", "a1= a2~"),
    "progress does not replace a failed end": ("a1x; a2~", "a1x a2~"),
    "what is being sent is not replaced": ("a1~; take a; a2~; a3~; back a; take a", "a1~ a3~ <a1~ <a1~"),
    "what could not be sent is replaced": ("a1~; take a; back a; a2~; take a", "a2~ <a1~ <a2~"),
    "beyond the bound the oldest progress goes": ("a1; b1~; c1; d1; e1", "a1 c1 d1 e1 |b1~"),
    "and without progress the oldest event": ("a1; b1; c1; d1; e1", "b1 c1 d1 e1 |a1"),
    "new progress goes before old alerts": ("a1; b1; c1; d1; e1~", "a1 b1 c1 d1 |e1~"),
    "what is being sent is never given up": ("a1; take a; b1; c1; d1; e1", "a1 c1 d1 e1 <a1 |b1"),
    "what waits for its turn is as good as sent": ("a1; a2?; withdraw a2?", "a1 a2?"),
    "also while the first is being sent": ("a1; a2?; take a; withdraw a2?", "a1 a2? <a1"),
    "and if the relay takes it": ("a1; a2?; take a; withdraw a2?; done a; take a", "a2? <a1 <a2?"),
    "a session that stalls drops what is withdrawn": ("a1; a2?; a3; take a; back a; withdraw a2?", "a1 a3 <a1"),
    "but nothing else": ("a1; a2?; take a; back a; withdraw a9; withdraw b2", "a1 a2? <a1"),
    "what is withdrawn before the first fails": ("a1; a2?; take a; withdraw a2?; back a", "a1 <a1"),
    "the first itself, once it has failed": ("a1?; a2; take a; withdraw a1?; back a", "a2 <a1?"),
    "what is withdrawn while the relay comes back": (
        "a1; a2?; take a; back a; take a; withdraw a2?; done a; take a",
        "<a1 <a1 <None",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "result"), CASES.values(), ids=CASES)
def test_what_waits(script: str, result: str) -> None:
    assert play(script) == result


def test_a_clear_backlog_returns_everything_in_order() -> None:
    backlog = Backlog(4)
    for name in ("a1", "b1", "a2"):
        backlog.put(event(name))
    assert [one.event_id for one in backlog.clear()] == ["a1", "b1", "a2"]
    assert (len(backlog), backlog.take("a")) == (0, None)


STEPS = st.tuples(
    st.sampled_from(["put", "put", "fail", "done"]), st.sampled_from("abc"), st.sampled_from("~>?!1")
)


@settings(deadline=None, max_examples=200)
@given(st.lists(STEPS, max_size=60), st.integers(1, 6))
def test_whatever_happens(todo: list[tuple[str, str, str]], bound: int) -> None:
    backlog = Backlog(bound)
    put_so_far: list[Event] = []
    gone: list[Event] = []
    for number, (action, session, kind) in enumerate(todo):
        if action == "put":
            one = event(f"{session}{number}{kind}")
            put_so_far.append(one)
            lost = backlog.put(one)
            # An alert is given up only if no progress waits that could go instead of it.
            assert all(is_progress(each) for each in lost) or not any(map(is_progress, backlog.events()))
            gone += lost
        elif taken := backlog.take(session):
            if action == "done":
                gone.append(taken)
                backlog.done(session)
            else:
                backlog.back(session)
    left = backlog.events()
    assert len(left) == len(backlog) <= bound
    assert all(is_progress(one) or one in left or one in gone for one in put_so_far)
    for session in "abc":
        waiting = [one for one in left if one.session_id == session]
        order = [put_so_far.index(one) for one in waiting]
        assert order == sorted(order)
        assert not any(map(is_progress, waiting[:-1]))
