"""What measures the operator's views works, on a few rows; the million is `make load-sight`."""

from loadtests import sight


def test_every_view_is_asked_and_answers() -> None:
    found = sight.measure("sqlite", 400, 40)
    assert found is not None
    assert len(found) == 12
    assert 0 < max(found.values()) < 60


def test_the_rows_are_those_of_one_day_and_half_of_one_secret() -> None:
    rows = list(sight.deliveries(1000, 10 * sight.DAY_MS))
    assert len({row["id"] for row in rows}) == 1000
    assert sum(row["secret_hash"] == sight.hash_of(0) for row in rows) in range(500, 502)
    assert rows[-1]["created_at"] - rows[0]["created_at"] < sight.DAY_MS
    assert {row["status"] for row in rows} == {"sent", "failed", "queued"}
