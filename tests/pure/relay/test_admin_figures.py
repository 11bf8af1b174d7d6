"""The last day in figures: nothing is lost, nothing that happened is invisible, and the words say what the bars show."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from relay.apns.reasons import REASONS
from relay.server.admin import figures
from relay.server.admin.figures import BAR, HEIGHT, HOURS, SMALLEST, STATUSES, WIDTH, day
from relay.server.metrics import HOUR_MS
from relay.server.store.hours import PushHour

NOW = 1_800_000_000_000 + 1_234_567
BEGINS = figures.first_hour(NOW)

counted = st.builds(
    PushHour,
    hour_at=st.integers(0, HOURS - 1).map(lambda hour: BEGINS + hour * HOUR_MS),
    push_type=st.sampled_from(["alert", "liveactivity"]),
    status=st.sampled_from(STATUSES),
    reason=st.sampled_from(["none", "not_sent", "maybe_sent", "other", *REASONS]),
    number=st.integers(1, 10**9),
)


@given(st.lists(counted, max_size=60))
def test_every_attempt_is_in_bars_totals_and_rows(found: list[PushHour]) -> None:
    made = day(found, NOW)
    total = sum(one.number for one in found)
    assert total == sum(made.totals.values()) == sum(row.number for row in made.rows)
    assert total == sum(hour.total for hour in made.hours)
    assert {(one.push_type, one.status, one.reason) for one in found} == {row[:3] for row in made.rows}
    assert [row.number for row in made.rows] == sorted((row.number for row in made.rows), reverse=True)
    assert all(row.sentence or row.source for row in made.rows)


@given(st.lists(counted, max_size=60))
def test_what_happened_is_seen_within_the_drawing(found: list[PushHour]) -> None:
    made = day(found, NOW)
    parts = {(hour.hour_at, status) for hour in made.hours for status, n in hour.numbers.items() if n}
    assert len(made.pieces) == len(parts)
    for piece in made.pieces:
        assert 0 <= piece.x <= WIDTH - BAR
        assert piece.y >= -0.01
        assert piece.y + piece.height <= HEIGHT + 0.01
        assert piece.height >= SMALLEST - 0.01
    columns = {piece.x: [one for one in made.pieces if one.x == piece.x] for piece in made.pieces}
    for pieces in columns.values():
        for below, above in itertools.pairwise(pieces):
            assert abs(below.y - above.y - above.height) < 0.02


def test_the_words_say_what_the_bars_show() -> None:
    found = [
        PushHour(BEGINS, "alert", "sent", "none", 1200),
        PushHour(BEGINS + HOUR_MS, "alert", "failed", "Unregistered", 3),
        PushHour(BEGINS - HOUR_MS, "alert", "failed", "Unregistered", 99),
    ]
    made = day(found, NOW)
    assert made.in_words == (
        "Attempts to push in the last 24 hours, by hour: 1,200 taken by APNs, 0 to be tried again, 3 failed. "
        "The most, 1,200, from 09:00 UTC."
    )
    assert made.rows[1].sentence == "The device token is inactive for the specified topic."
    assert day([], NOW).in_words == "No attempt to push ended in the last 24 hours."
