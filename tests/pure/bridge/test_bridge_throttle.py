"""The throttle on a virtual clock: phase changes at once, the rest seldom, the newest always."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.throttle import Cards, Ends, Throttle
from relay.contract import PROGRESS_SECONDS, ContentState, Status


def state(words: str, status: Status = "working") -> ContentState:
    return ContentState(status=status, session_title="Fix it", last_message=words)


@dataclass
class Driver:
    """Uses a throttle as the notifier does, on a clock that the test turns; `sent` holds (seconds, state)."""

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


ONE, TWO, THREE, LIMIT = state("one"), state("two"), state("three"), state("limit", "retry")
OFFERS = {
    "the first goes at once": ([(0.0, ONE)], [(0.0, ONE)]),
    "the newest of an interval goes at its end": (
        [(0.0, ONE), (1.0, TWO), (5.0, state("x")), (11.9, THREE)],
        [(0.0, ONE), (PROGRESS_SECONDS, THREE)],
    ),
    "a phase change goes at once and replaces what waited": (
        [(0.0, ONE), (3.0, TWO), (4.0, LIMIT), (5.0, THREE)],
        [(0.0, ONE), (4.0, LIMIT), (5.0, THREE)],
    ),
    "what was sent is not sent again": ([(0.0, ONE), (0.0, ONE), (1.0, TWO), (2.0, ONE), (60.0, ONE)], [(0.0, ONE)]),
    "after a pause the next goes at once": (
        [(0.0, ONE), (PROGRESS_SECONDS, TWO)],
        [(0.0, ONE), (PROGRESS_SECONDS, TWO)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("offers", "sent"), OFFERS.values(), ids=OFFERS)
def test_what_is_sent_when(
    offers: list[tuple[float, ContentState]], sent: list[tuple[float, ContentState]]
) -> None:
    driver = Driver()
    for second, offered in offers:
        driver.turn_to(second)
        driver.offer(offered)
    driver.turn_to(120.0)
    assert driver.sent == sent


def test_another_event_counts_as_well() -> None:
    driver = Driver()
    driver.throttle.sent("ses_a", ONE, 0.0)
    driver.offer(TWO)
    driver.throttle.sent("ses_a", state("an alert"), 2.0)
    driver.turn_to(PROGRESS_SECONDS + 1)
    assert driver.sent == []
    driver.offer(THREE)
    driver.turn_to(60.0)
    assert driver.sent == [(2.0 + PROGRESS_SECONDS, THREE)]


def test_a_forgotten_session_leaves_nothing_behind() -> None:
    throttle = Throttle()
    throttle.offer("ses_a", ONE, 0.0)
    throttle.offer("ses_b", ONE, 0.0)
    throttle.sent("ses_b", ONE, 0.0)
    assert len(throttle) == 2
    for session in ("ses_a", "ses_b", "ses_c"):
        throttle.forget(session)
    assert len(throttle) == 0
    assert throttle.take("ses_a", 1.0) is None
    assert throttle.offer("ses_b", ONE, 1.0) == 0.0


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 30.0, allow_nan=False),
            st.builds(state, st.sampled_from(["one", "two", "three"]), st.sampled_from(["working", "retry", "permission"])),
        ),
        max_size=40,
    )
)  # fmt: skip
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
    assert not offers or driver.sent[-1][1] == offers[-1][1]  # the last one is always sent
    for (earlier, one), (later, other) in zip(driver.sent, driver.sent[1:], strict=False):
        assert one != other
        assert one.status != other.status or later - earlier >= PROGRESS_SECONDS - 1e-6


class TestCards:
    @pytest.fixture
    def cards(self) -> Cards:
        cards = Cards()
        assert cards.begin("ses_a", ONE, 0.0) == ONE
        return cards

    def test_a_request_is_on_the_card_until_it_is_answered(self, cards: Cards) -> None:
        cards.ask("ses_a", "per_1", state("bash: rm", "permission"), 1.0)
        assert cards.offer("ses_a", TWO, 2.0) is None
        assert cards.answer("ses_a", "per_1")
        assert cards.offer("ses_a", TWO, 3.0) == 0.0
        assert cards.take("ses_a", 3.0) == TWO

    def test_the_newest_request_shows_and_then_the_one_before(self, cards: Cards) -> None:
        first = state("first", "permission")
        cards.ask("ses_a", "per_1", first, 1.0)
        cards.ask("ses_a", "per_2", state("second", "permission"), 2.0)
        assert not cards.answer("ses_a", "per_2")
        assert cards.offer("ses_a", TWO, 3.0) == 11.0
        assert cards.take("ses_a", 14.0) == first

    def test_a_run_may_begin_with_a_request(self) -> None:
        cards, first = Cards(), state("first", "permission")
        cards.ask("ses_a", "per_1", first, 0.0)
        assert cards.begin("ses_a", ONE, 1.0) == first
        assert cards.offer("ses_a", TWO, 2.0) is None

    def test_answers_to_what_was_never_shown(self, cards: Cards) -> None:
        assert not cards.answer("ses_a", "per_0")
        assert not cards.answer("ses_b", "per_0")
        assert cards.offer("ses_a", ONE, 1.0) is None

    def test_the_next_run_begins_with_a_clean_card(self, cards: Cards) -> None:
        cards.ask("ses_a", "per_1", state("first", "permission"), 1.0)
        cards.offer("ses_a", TWO, 2.0)
        cards.end("ses_a")
        assert cards.take("ses_a", 2.0) is None
        assert cards.offer("ses_a", ONE, 3.0) == 0.0


class TestEnds:
    def test_only_long_runs_ring_when_they_are_complete(self) -> None:
        ends = Ends(min_duration=10.0)
        ends.begin("a", 100.0)
        ends.begin("a", 105.0)  # it goes on
        assert [ends.complete("a", now) for now in (109.9, 110.0)] == [None, 0.0]
        ends.end("a")
        assert ends.complete("a", 110.0) == 0.0  # of one whose beginning nobody saw

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.0, 20.0)), max_size=30))
    def test_the_ends_of_a_session_ring_at_most_once_in_the_bundles_time(
        self, steps: list[tuple[str, float]]
    ) -> None:
        ends, now = Ends(bundle=5.0), 0.0
        rang: dict[str, float] = {}
        for session, pause in steps:
            now += pause
            wait = ends.complete(session, now)
            assert wait is not None
            assert 0.0 <= wait <= 5.0
            assert now + wait >= rang.get(session, -5.0) + 5.0 - 1e-6
            assert wait == 0.0 or session in rang
            if wait == 0.0:
                ends.ring(session, now)
                rang[session] = now
