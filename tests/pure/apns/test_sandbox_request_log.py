"""The newest requests, whole: bounded in number and in bytes, refused ones too, with what became of each."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.apns.messages import Request, read_request
from simulator.apns.request_log import MOST_STEPS, NOT_KEPT, KeptRequest, RequestLog
from simulator.journal import Entry

TOKEN = "ab" * 32


def request(body: bytes = b"{}", **headers: str) -> Request:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return read_request([(":method", "POST"), (":path", f"/3/device/{TOKEN}"), *named], body, len(body))


def decided(apns_id: str = "A-1", unique_id: str | None = None) -> Entry:
    return Entry(1.0, "apns", "push", {"apns_id": apns_id, "apns_unique_id": unique_id, "status": 200})


def shown(apns_id: str, unique_id: str | None = None) -> Entry:
    ids = {"apnsID": apns_id} | ({} if unique_id is None else {"apnsUniqueID": unique_id})
    return Entry(2.0, "phone", "shown", ids)


def test_the_newest_are_kept_and_the_oldest_go() -> None:
    log = RequestLog(most=3)
    for number in range(5):
        log.keep(request(), decided(f"A-{number}"))
    assert [kept.number for kept in log.since(0)] == [3, 4, 5]
    assert (log.first, len(log)) == (3, 3)
    assert log.find(2) is None
    assert log.find(6) is None
    assert log.find(4) is log.since(0)[1]
    log.note(shown("a-0"))  # of one that is gone: nobody's step
    assert not any(kept.steps for kept in log.since(0))


@given(st.lists(st.integers(0, 3000), max_size=40))
def test_their_bytes_are_bounded_whatever_comes(sizes: list[int]) -> None:
    log = RequestLog(most=10, most_bytes=8000)
    for size in sizes:
        log.keep(request(b"x" * size), decided())
    kept = log.since(0)
    assert len(kept) <= 10
    assert log.bytes == sum(one.size for one in kept) <= 8000
    assert [one.number for one in kept] == list(range(log.first, len(sizes) + 1))


def test_the_newest_stays_however_large_it_is() -> None:
    log = RequestLog(most_bytes=10)
    log.keep(request(), decided("A-1"))
    log.keep(request(b"x" * 100), decided("A-2"))
    assert [kept.number for kept in log.since(0)] == [2]


def test_what_happens_to_a_push_is_a_step_of_it_and_a_new_revision() -> None:
    log = RequestLog()
    first = log.keep(request(), decided("A-1", "u-1"))
    second = log.keep(request(), decided("A-1", "u-2"))
    before = log.revision
    log.note(shown("A-1", "U-1"))
    assert [entry.what for entry in first.steps] == ["shown"]
    assert not second.steps
    assert log.since(before) == [first]
    log.note(shown("a-1"))  # without a unique id, the newest of this apns-id
    assert len(second.steps) == 1


def test_what_is_of_no_push_or_no_step_is_left_out() -> None:
    log = RequestLog()
    kept = log.keep(request(), decided("A-1"))
    revision = log.revision
    log.note(decided("A-1"))
    log.note(Entry(1.0, "relay", "delivery", {"apnsID": "A-1"}))
    log.note(Entry(1.0, "phone", "set", {"phone": "iPhone"}))
    log.note(Entry(1.0, "apns", "delivery", {"apns_id": 5}))
    assert (kept.steps, log.revision) == ([], revision)


def test_the_steps_of_one_push_are_bounded() -> None:
    log = RequestLog()
    kept = log.keep(request(), decided("A-1"))
    for _ in range(MOST_STEPS + 5):
        log.note(shown("A-1"))
    assert len(kept.steps) == MOST_STEPS


def test_the_signature_of_a_provider_token_is_not_kept() -> None:
    log = RequestLog()

    def authorization(text: str) -> str:
        kept: KeptRequest = log.keep(request(authorization=text), decided())
        return kept.request.headers["authorization"]

    assert authorization("bearer aaa.bbb.secret") == f"bearer aaa.bbb.{NOT_KEPT}"
    assert authorization("bearer nonsense") == "bearer nonsense"
    assert "authorization" not in log.keep(request(), decided()).request.headers


def test_clearing_forgets_the_requests_and_says_when() -> None:
    log = RequestLog()
    log.keep(request(), decided("A-1"))
    log.clear()
    assert (len(log), log.bytes, log.cleared_at, log.first) == (0, 0, log.revision, 2)
    log.note(shown("A-1"))
    assert log.since(0) == []
    assert log.keep(request(), decided("A-2")).number == 2
