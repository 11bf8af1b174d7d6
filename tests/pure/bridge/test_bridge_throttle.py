"""The throttle on a virtual clock: phase changes at once, the rest seldom, the newest always."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.throttle import Cards, Throttle
from relay.contract import PROGRESS_SECONDS, ContentState, Status


def state(words: str, status: Status = "working") -> ContentState:
    return ContentState(status=status, session_title="Fix it", last_message=words)


@dataclass
class Driver:
    """Uses a throttle as the announcer does, on a clock that the test turns; `sent` holds (seconds, state)."""

    throttle: Throttle = field(default_factory=Throttle)
    now: float = 0.0
    wakes_at: float | None = None
    sent: list[tuple[float, ContentState]] = field(default_factory=list)

    def offer(self, offered: ContentState) -> None:
        wait = self.throttle.offer("ses_a", offered, self.now)
        if wait is None:
            return
        self.wakes_at = self.now + wait
        self.turn_to(self.now)

    def turn_to(self, now: float) -> None:
        if self.wakes_at is not None and self.wakes_at <= now:
            self.now, self.wakes_at = self.wakes_at, None
            if taken := self.throttle.take("ses_a", self.now):
                self.sent.append((self.now, taken))
        self.now = now


def test_the_first_state_goes_at_once() -> None:
    driver = Driver()
    driver.offer(state("one"))
    assert driver.sent == [(0.0, state("one"))]


def test_the_newest_of_an_interval_goes_at_its_end() -> None:
    driver = Driver()
    driver.offer(state("one"))
    for second, words in ((1.0, "two"), (5.0, "three"), (11.9, "four")):
        driver.turn_to(second)
        driver.offer(state(words))
    driver.turn_to(60.0)
    assert driver.sent == [(0.0, state("one")), (PROGRESS_SECONDS, state("four"))]


def test_a_phase_change_goes_at_once_and_takes_the_place_of_what_waited() -> None:
    driver = Driver()
    driver.offer(state("one"))
    driver.turn_to(3.0)
    driver.offer(state("two"))
    driver.turn_to(4.0)
    driver.offer(state("limit", "retry"))
    driver.turn_to(5.0)
    driver.offer(state("three"))
    driver.turn_to(60.0)
    assert driver.sent == [(0.0, state("one")), (4.0, state("limit", "retry")), (5.0, state("three"))]


def test_what_was_sent_is_not_sent_again() -> None:
    driver = Driver()
    driver.offer(state("one"))
    driver.offer(state("one"))
    driver.offer(state("two"))
    driver.offer(state("one"))  # as it was: what waited is not true any more
    driver.turn_to(60.0)
    driver.offer(state("one"))
    driver.turn_to(120.0)
    assert driver.sent == [(0.0, state("one"))]


def test_another_event_counts_as_well() -> None:
    driver = Driver()
    driver.throttle.sent("ses_a", state("one"), 0.0)
    driver.offer(state("two"))
    driver.throttle.sent("ses_a", state("an alert"), 2.0)
    driver.turn_to(PROGRESS_SECONDS + 1)
    assert driver.sent == []
    driver.offer(state("three"))
    driver.turn_to(60.0)
    assert driver.sent == [(2.0 + PROGRESS_SECONDS, state("three"))]


def test_after_a_pause_the_next_state_goes_at_once() -> None:
    driver = Driver()
    driver.offer(state("one"))
    driver.turn_to(PROGRESS_SECONDS)
    driver.offer(state("two"))
    assert driver.sent[-1] == (PROGRESS_SECONDS, state("two"))


def test_a_forgotten_session_leaves_nothing_behind() -> None:
    throttle = Throttle()
    throttle.offer("ses_a", state("one"), 0.0)
    throttle.offer("ses_b", state("one"), 0.0)
    throttle.sent("ses_b", state("one"), 0.0)
    assert len(throttle) == 2
    for session in ("ses_a", "ses_b", "ses_c"):
        throttle.forget(session)
    assert len(throttle) == 0
    assert throttle.take("ses_a", 1.0) is None
    assert throttle.offer("ses_b", state("one"), 1.0) == 0.0


pauses = st.floats(0.0, 30.0, allow_nan=False)
statuses = st.sampled_from(["working", "retry", "permission"])
words = st.sampled_from(["one", "two", "three"])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(pauses, st.builds(state, words, statuses)), max_size=40))
def test_whatever_is_offered(offers: list[tuple[float, ContentState]]) -> None:
    driver = Driver()
    for pause, offered in offers:
        driver.turn_to(driver.now + pause)
        before = len(driver.sent)
        shown = driver.sent[-1][1] if driver.sent else None
        driver.offer(offered)
        if shown is None or shown.status != offered.status:
            assert driver.sent[before:] == [(driver.now, offered)]  # a phase change goes at once
    driver.turn_to(driver.now + PROGRESS_SECONDS)
    driver.turn_to(driver.now + PROGRESS_SECONDS)
    if offers:
        assert driver.sent[-1][1] == offers[-1][1]  # the last one is always sent
    for (earlier, one), (later, other) in zip(driver.sent, driver.sent[1:], strict=False):
        assert one != other
        if one.status == other.status:
            assert later - earlier >= PROGRESS_SECONDS - 1e-6


class TestCards:
    @pytest.fixture
    def cards(self) -> Cards:
        cards = Cards()
        assert cards.begin("ses_a", state("working on it"), 0.0) == state("working on it")
        return cards

    def test_a_request_stays_on_the_card_until_it_is_answered(self, cards: Cards) -> None:
        cards.ask("ses_a", "per_1", state("bash: rm", "permission"), 1.0)
        assert cards.offer("ses_a", state("still busy"), 2.0) is None
        cards.answer("ses_a", "per_1")
        assert cards.offer("ses_a", state("still busy"), 3.0) == 0.0
        assert cards.take("ses_a", 3.0) == state("still busy")

    def test_the_newest_request_shows_and_then_the_one_before(self, cards: Cards) -> None:
        cards.ask("ses_a", "per_1", state("first", "permission"), 1.0)
        cards.ask("ses_a", "per_2", state("second", "permission"), 2.0)
        cards.answer("ses_a", "per_2")
        assert cards.offer("ses_a", state("busy"), 3.0) == 11.0
        assert cards.take("ses_a", 14.0) == state("first", "permission")

    def test_a_run_may_begin_with_a_request(self) -> None:
        cards = Cards()
        cards.ask("ses_a", "per_1", state("first", "permission"), 0.0)
        assert cards.begin("ses_a", state("working on it"), 1.0) == state("first", "permission")
        assert cards.offer("ses_a", state("busy"), 2.0) is None

    def test_answers_to_what_was_never_shown(self, cards: Cards) -> None:
        cards.answer("ses_a", "per_0")
        cards.answer("ses_b", "per_0")
        assert cards.offer("ses_a", state("working on it"), 1.0) is None

    def test_the_next_run_begins_with_a_clean_card(self, cards: Cards) -> None:
        cards.ask("ses_a", "per_1", state("first", "permission"), 1.0)
        cards.offer("ses_a", state("x"), 2.0)
        cards.end("ses_a")
        assert cards.take("ses_a", 2.0) is None
        assert cards.offer("ses_a", state("working on it"), 3.0) == 0.0
