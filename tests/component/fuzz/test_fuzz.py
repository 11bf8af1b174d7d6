"""A small share of `make fuzz`: random requests against every route, over real sockets, and processes that are as before."""

from fuzz.run import run

REQUESTS = 450


def test_random_requests_break_nothing_and_leave_nothing_behind(untraced: None) -> None:
    lines: list[str] = []
    assert run(REQUESTS, 1, lines.append) == [], lines[-3:]
