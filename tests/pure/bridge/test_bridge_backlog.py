"""What waits for a relay that is away: the newest progress, and every alert."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.mapping import is_progress
from relay.bridge.notify.outbox import Backlog
from relay.contract import ContentState, Event, EventType, Status

numbers = iter(range(1_000_000))


def event(session: str, kind: EventType = "complete", status: Status = "working") -> Event:
    state = ContentState(status=status, session_title="Fix it", last_message="...")
    return Event(
        secret="s" * 24,
        event_type=kind,
        session_id=session,
        content_state=state,
        event_id=f"{kind}-{next(numbers)}",
    )


def progress(session: str = "ses_a") -> Event:
    return event(session, "progress")


def put(backlog: Backlog, *events: Event) -> list[Event]:
    return [given_up for one in events for given_up in backlog.put(one)]


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(4)


def test_events_of_a_session_come_out_in_order(backlog: Backlog) -> None:
    first, second = event("ses_a"), event("ses_a")
    assert put(backlog, first, second) == []
    assert backlog.take("ses_a") is first
    backlog.done("ses_a")
    assert backlog.take("ses_a") is second
    backlog.done("ses_a")
    assert backlog.take("ses_a") is None
    assert len(backlog) == 0


@pytest.mark.parametrize(
    "later", [progress(), event("ses_a"), event("ses_a", "start"), event("ses_a", "error")]
)
def test_whatever_comes_later_replaces_waiting_progress(backlog: Backlog, later: Event) -> None:
    put(backlog, event("ses_b"), progress(), later)
    assert [one.event_id for one in backlog.events()][1:] == [later.event_id]
    assert len(backlog) == 2


@pytest.mark.parametrize(
    "earlier",
    [
        event("ses_a", "start"),
        event("ses_a", "permission"),
        event("ses_a", "progress", "complete"),
        event("ses_a", "progress", "error"),
    ],
)
def test_progress_replaces_nothing_else(backlog: Backlog, earlier: Event) -> None:
    later = progress()
    put(backlog, earlier, later)
    assert backlog.events() == [earlier, later]


def test_progress_that_is_being_sent_is_not_replaced(backlog: Backlog) -> None:
    first, second, third = progress(), progress(), progress()
    put(backlog, first)
    backlog.take("ses_a")
    put(backlog, second, third)
    assert backlog.events() == [first, third]
    backlog.back("ses_a")
    assert backlog.take("ses_a") is first


def test_progress_whose_try_failed_is_replaced(backlog: Backlog) -> None:
    first, second = progress(), progress()
    put(backlog, first)
    backlog.take("ses_a")
    backlog.back("ses_a")
    put(backlog, second)
    assert backlog.take("ses_a") is second


def test_beyond_the_bound_the_oldest_progress_goes_then_the_oldest_event(backlog: Backlog) -> None:
    first, moves, second, third = event("ses_a"), progress("ses_b"), event("ses_c"), event("ses_d")
    assert put(backlog, first, moves, second, third) == []
    assert put(backlog, event("ses_e")) == [moves]
    assert put(backlog, event("ses_f")) == [first]
    late = progress("ses_g")
    assert put(backlog, late) == [late]
    assert len(backlog) == 4


def test_what_is_being_sent_is_never_given_up() -> None:
    backlog = Backlog(1)
    flying, waiting = event("ses_a"), event("ses_b")
    put(backlog, flying)
    backlog.take("ses_a")
    assert put(backlog, waiting) == [waiting]


def test_only_a_session_that_stalls_takes_events_back(backlog: Backlog) -> None:
    first, asks, last = event("ses_a"), event("ses_a", "permission"), event("ses_a")
    put(backlog, first, asks, last)
    backlog.withdraw("ses_a", asks.event_id or "")
    assert len(backlog) == 3  # as good as sent
    backlog.take("ses_a")
    backlog.withdraw("ses_a", asks.event_id or "")
    assert len(backlog) == 3
    backlog.back("ses_a")
    backlog.withdraw("ses_a", "another")
    backlog.withdraw("ses_b", asks.event_id or "")
    backlog.withdraw("ses_a", asks.event_id or "")
    assert backlog.events() == [first, last]


def test_what_is_withdrawn_while_a_try_hangs_goes_as_soon_as_it_fails(backlog: Backlog) -> None:
    asks, last = event("ses_a", "permission"), event("ses_a")
    put(backlog, asks, last)
    backlog.take("ses_a")
    backlog.withdraw("ses_a", asks.event_id or "")
    assert len(backlog) == 2
    backlog.back("ses_a")
    assert backlog.events() == [last]


def test_what_is_withdrawn_while_the_relay_comes_back_goes_before_its_turn(backlog: Backlog) -> None:
    first, asks = event("ses_a"), event("ses_a", "permission")
    put(backlog, first, asks)
    backlog.take("ses_a")
    backlog.back("ses_a")
    backlog.take("ses_a")
    backlog.withdraw("ses_a", asks.event_id or "")
    backlog.done("ses_a")
    assert backlog.take("ses_a") is None
    assert len(backlog) == 0


def test_what_a_relay_takes_is_sent_in_spite_of_a_late_answer(backlog: Backlog) -> None:
    first, asks = event("ses_a"), event("ses_a", "permission")
    put(backlog, first, asks)
    backlog.take("ses_a")
    backlog.withdraw("ses_a", asks.event_id or "")
    backlog.done("ses_a")
    assert backlog.take("ses_a") is asks


def test_a_clear_backlog_returns_everything_in_order(backlog: Backlog) -> None:
    events = [event("ses_a"), event("ses_b"), event("ses_a")]
    put(backlog, *events)
    assert backlog.clear() == events
    assert len(backlog) == 0
    assert backlog.take("ses_a") is None


kinds = st.sampled_from(["complete", "permission", "error", "progress", "start"])
steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(["ses_a", "ses_b", "ses_c"]), kinds),
    st.tuples(st.just("fail"), st.sampled_from(["ses_a", "ses_b", "ses_c"]), kinds),
    st.tuples(st.just("done"), st.sampled_from(["ses_a", "ses_b", "ses_c"]), kinds),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(steps, max_size=60), st.integers(1, 6))
def test_whatever_happens(todo: list[tuple[str, str, EventType]], bound: int) -> None:
    backlog = Backlog(bound)
    put_so_far: list[Event] = []
    gone: list[Event] = []
    for action, session, kind in todo:
        if action == "put":
            one = event(session, kind)
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
    for one in put_so_far:
        assert is_progress(one) or one in left or one in gone
    for session in ("ses_a", "ses_b", "ses_c"):
        order = [put_so_far.index(one) for one in left if one.session_id == session]
        assert order == sorted(order)
        waiting = [one for one in left if one.session_id == session]
        assert not any(map(is_progress, waiting[:-1]))
