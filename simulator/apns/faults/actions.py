"""What may befall a push: the actions of fault rules, as values."""

from typing import Final, Literal, NamedTuple

from simulator.apns.http2.frames import ErrorCode
from simulator.apns.reasons import REASONS


class Misshape(NamedTuple):
    """The judged answer, in a form that clients stumble over. What changes the body leaves an answer without one alone.

    `body`: "split" = over two DATA frames; "malformed" = JSON cut off; "html" = a page, as a proxy would put there.
    `apns_id`: "absent" = no such header; "upper" = in upper case, also if it was given in lower.
    """

    body: Literal["whole", "split", "malformed", "html"] = "whole"
    apns_id: Literal["as judged", "absent", "upper"] = "as judged"


class AnswerWith(NamedTuple):
    """Answer with this reason; its own status unless another is given. `timestamp` in milliseconds for 410."""

    reason: str
    status: int | None = None
    timestamp: int | None = None
    shape: Misshape | None = None

    def code(self) -> int:
        """The HTTP status to send."""
        return self.status if self.status is not None else REASONS[self.reason].status


class Delay(NamedTuple):
    """Judge and deliver at once, answer `seconds` later by the sandbox's clock."""

    seconds: float


class Reset(NamedTuple):
    """RST_STREAM instead of an answer."""

    code: int = ErrorCode.INTERNAL_ERROR


class GoAway(NamedTuple):
    """GOAWAY with this reason; answers still due are sent, then the connection ends.

    `offset` moves its last stream id away from the true one, in streams: -1 disowns one push that was taken.
    """

    reason: str = "Shutdown"
    code: int = ErrorCode.NO_ERROR
    offset: int = 0


class CloseConnection(NamedTuple):
    """Cut the TCP connection without a word."""


class Stall(NamedTuple):
    """Never answer; the stream stays open and keeps its slot."""


class StreamLimit(NamedTuple):
    """Lower the connection's MAX_CONCURRENT_STREAMS to `limit` before the answer; the next 200 restores it."""

    limit: int


Action = AnswerWith | Delay | Reset | GoAway | CloseConnection | Stall | StreamLimit | Misshape

# These only change how an answer travels, so there must be one: the push is judged and delivered first.
NEED_AN_ANSWER: Final = (Delay, StreamLimit, Misshape)
