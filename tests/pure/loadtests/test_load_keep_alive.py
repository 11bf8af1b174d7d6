import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.keep_alive import Reply, ReplyError, reply_in

OK = b'HTTP/1.1 200 \r\ncontent-type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@given(st.integers(0, len(OK)))
def test_a_reply_is_there_when_all_of_it_is(length: int) -> None:
    assert reply_in(OK[:length]) == (Reply(200, b'{"ok":true}') if length == len(OK) else None)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", b"SSH-2.0-x\r\ncontent-length: 1"]
)
def test_what_has_no_length_or_is_no_http_is_reported(head: bytes) -> None:
    with pytest.raises(ReplyError, match="Content-Length"):
        reply_in(head + b"\r\n\r\n")
