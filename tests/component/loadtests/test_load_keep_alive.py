import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loadtests.keep_alive import KeepAlive, Reply, ReplyError

OK = b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n{}"


@contextmanager
def server(*connections: list[bytes]) -> Iterator[str]:
    """Answers each connection in turn with so many replies, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for replies in connections:
                there, _ = listener.accept()
                with there:
                    for reply in replies:
                        there.recv(65_536)
                        there.sendall(reply)
                    there.shutdown(socket.SHUT_WR)
                    there.recv(65_536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_one_connection_serves_many_requests() -> None:
    with server([OK, OK, OK]) as url:
        connection = KeepAlive(url)
        assert [connection.post("/", b"{}") for _ in range(3)] == [Reply(200, b"{}")] * 3
        connection.close()
        connection.close()


def test_a_server_that_closes_is_an_error_and_the_next_request_opens_another() -> None:
    with server([OK], [OK]) as url:
        connection = KeepAlive(url)
        connection.post("/", b"{}")
        with pytest.raises(ReplyError, match="closed"):
            connection.post("/", b"{}")
        assert connection.post("/", b"{}").status == 200
        connection.close()
