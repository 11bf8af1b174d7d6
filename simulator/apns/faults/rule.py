"""One rule of what goes wrong on purpose: which requests it meets, when, how often, and what happens to them; as values."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from simulator.apns.http2.frames import ErrorCode
from simulator.apns.reasons import REASONS


class Misshape(NamedTuple):
    """The true response, in a form that clients stumble over. What changes the body leaves a response without one alone.

    `body`: "split" = over two DATA frames; "malformed" = JSON cut off; "html" = a page, as a proxy would put there.
    `apns_id`: "absent" = no such header; "upper" = in upper case, also if it was given in lower.
    """

    body: Literal["whole", "split", "malformed", "html"] = "whole"
    apns_id: Literal["unchanged", "absent", "upper"] = "unchanged"


class AnswerWith(NamedTuple):
    """Response with this reason; its own status unless another is given. `timestamp` in milliseconds for 410."""

    reason: str
    status: int | None = None
    timestamp: int | None = None
    shape: Misshape | None = None

    def code(self) -> int:
        """The HTTP status to send."""
        return self.status if self.status is not None else REASONS[self.reason].status


class Delay(NamedTuple):
    """Check and deliver at once, respond `seconds` later by the sandbox's clock."""

    seconds: float


class Reset(NamedTuple):
    """RST_STREAM instead of a response."""

    code: int = ErrorCode.INTERNAL_ERROR


class GoAway(NamedTuple):
    """GOAWAY with this reason; responses still due are sent, then the connection ends.

    `offset` moves its last stream id away from the true one, in streams: -1 excludes one push that was taken.
    """

    reason: str = "Shutdown"
    code: int = ErrorCode.NO_ERROR
    offset: int = 0


class CloseConnection(NamedTuple):
    """Cut the TCP connection, with no GOAWAY."""


class Stall(NamedTuple):
    """Never respond; the stream remains open and counts against the limit."""


class StreamLimit(NamedTuple):
    """Lower the connection's MAX_CONCURRENT_STREAMS to `limit` before the response; the next 200 restores it."""

    limit: int


Action = AnswerWith | Delay | Reset | GoAway | CloseConnection | Stall | StreamLimit | Misshape

# These only change how a response goes out, so there must be one: the push is checked and delivered first.
NEED_A_RESPONSE: Final = (Delay, StreamLimit, Misshape)


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. Every condition that is given must hold; a rule without conditions meets every push.

    `nth` counts the requests that meet the conditions, from 1; `times` ends the rule after so many strikes;
    `probability` is drawn from `seed`, which repeats from run to run, or without one from the table's generator. `after_s`
    and `until_s` are seconds since the rule was added: it is not yet in force before the one, and no more from the other on. `accepts_first`: the push is checked and delivered first, and only its
    response is lost, which is how duplicates come about; otherwise it never reaches the checks. `id` names the rule for
    `remove`; the table gives one to a rule without.
    """

    do: Action
    token: str | None = None
    topic: str | None = None
    push_type: str | None = None
    realm: str | None = None
    nth: int | None = None
    times: int | None = None
    probability: float = 1.0
    accepts_first: bool = False
    after_s: float = 0.0
    until_s: float = float("inf")
    id: str = ""
    seed: int | None = None

    @property
    def is_processed(self) -> bool:
        """Whether the push goes through the checks, and to the device, before this happens to it."""
        return self.accepts_first or isinstance(self.do, NEED_A_RESPONSE)

    def meets(self, token: str, topic: str | None, push_type: str, realm: str) -> bool:
        """Whether a request is one of those meant."""
        return (
            self.token in (None, token)
            and self.topic in (None, topic)
            and self.push_type in (None, push_type)
            and self.realm in (None, realm)
        )
