"""What a provider is put through, case by case, and what a sound one makes of it. As data, no I/O."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Json = dict[str, Any]
Expects = Literal["delivered", "refused", "unknown"]
"""Each push arrives, once, though APNs made trouble; APNs refuses each, and that is handed on; nobody can know whether it arrived."""
SENDING: Final = "Apple: Sending notification requests to APNs"
ANSWERS: Final = "Apple: Handling notification responses from APNs"
TOKENS: Final = "Apple: Establishing a token-based connection to APNs"


@dataclass(frozen=True, slots=True)
class Pushes:
    """So many at once; each with `size` further bytes of payload. `apns_id` is one for all of them."""

    count: int
    size: int = 0
    apns_id: str | None = None


@dataclass(frozen=True, slots=True)
class GoAway:
    """When all requests so far have come: GOAWAY on the open connections, which still answer them (RFC 9113, 6.8)."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The open connections are idle for too long: by GOAWAY, or by silence; then so many seconds pass."""

    seconds: float = 0.0


Step = Pushes | GoAway | Idle


@dataclass(frozen=True, slots=True)
class Case:
    """`rules` are fault rules and `profile` values of the sandbox's profile. A provider has `seconds` for the pushes of a step.

    `most_attempts`: requests for one push; within a second never more than BRISK. `most_tokens`: distinct provider tokens. `black_hole`: APNs
    takes connections and is silent. `is_tidy`: nothing goes wrong, so that each connection and stream is looked at. `may_give_back`: so many may be
    given back with APNs' reason. `ends_at_once`: standard input ends behind the last push, before an answer can have come.
    """

    name: str
    about: str
    source: str
    steps: tuple[Step, ...]
    rules: tuple[Json, ...] = ()
    profile: Json = field(default_factory=dict)
    expects: Expects = "delivered"
    reason: str | None = None
    timestamp: int | None = None
    seconds: float = 15.0
    most_attempts: int = 4
    most_tokens: int = 1
    black_hole: bool = False
    is_tidy: bool = False
    may_give_back: int = 0
    ends_at_once: bool = False


BRISK: Final = 3
GONE_SINCE: Final = 1_795_000_000_000


def _answer(reason: str, **more: Any) -> Json:
    return {"answer": {"reason": reason, **more}}


CASES: Final = (
    Case("plain", "fifty at once, on a cold connection that takes one stream until it knows the provider", SENDING, (Pushes(50),), profile={"first_stream_limit": 1}, is_tidy=True),
    Case("one stream", "never more than one stream at once", "RFC 9113, 5.1.2", (Pushes(20),), profile={"first_stream_limit": 1, "stream_limit": 1}),
    Case(
        "bursts", "three bursts that are larger than the flow-control window", "RFC 9113, 5.2 and 6.9",
        (Pushes(200, 1024), Pushes(200, 1024), Pushes(200, 1024)), profile={"stream_limit": 100}, is_tidy=True,
    ),
    Case(
        "goaway", "GOAWAY at the fifth of twenty, while others are still being answered", "RFC 9113, 6.8",
        (Pushes(1), Pushes(20), Pushes(5)),
        rules=({"do": {"goaway": "Shutdown"}, "match": {"nth": 6}, "times": 1}, {"do": {"delay_s": 0.4}, "match": {"until_s": 30.0}}),
    ),
    Case(
        "graceful goaway", "GOAWAY while five are being answered: they are not sent again", "RFC 9113, 6.8",
        (Pushes(1), Pushes(5), GoAway()), rules=({"do": {"delay_s": 2.5}},), most_attempts=1,
    ),
    Case(
        "goaway again", "GOAWAY at one push in five, four times", "RFC 9113, 6.8",
        (Pushes(30), Pushes(10)), rules=({"do": {"goaway": "Shutdown"}, "match": {"share": 0.2, "seed": 4}, "times": 4},), most_attempts=6,
    ),
    Case(
        "refused streams", "streams that were certainly not processed", "RFC 9113, 8.7: REFUSED_STREAM may be retried",
        (Pushes(10),), rules=({"do": {"reset": "REFUSED_STREAM"}, "times": 3},),
    ),
    Case(
        "resets", "more resets than there are streams; then the connection is as good as before", "RFC 9113, 5.4.2",
        (Pushes(8), Pushes(10)), profile={"first_stream_limit": 5, "stream_limit": 5},
        rules=({"do": {"reset": "INTERNAL_ERROR"}, "accepts_first": True, "times": 8},), expects="unknown",
    ),
    Case("no apns-id", "answers without an apns-id, which are known by their stream", "RFC 9113, 8.1", (Pushes(3),), rules=({"do": {"no_apns_id": True}},)),
    Case(
        "apns-id in capitals", "the apns-id comes back in the other case", "RFC 9562, 4: in either case",
        (Pushes(3),), rules=({"do": {"upper_apns_id": True}},),
    ),
    Case(
        "refused, no apns-id", "a refusal without an apns-id", ANSWERS,
        (Pushes(3),), rules=({"do": {**_answer("BadCollapseId"), "no_apns_id": True}},), expects="refused", reason="BadCollapseId",
    ),
    Case(
        "a page of a proxy", "502 with HTML for one, while others are being answered", "RFC 9110, 15.6.3",
        (Pushes(1), Pushes(10)),
        rules=(
            {"do": {**_answer("InternalServerError", status=502), "html_body": True}, "match": {"nth": 4}, "times": 1},
            {"do": {"delay_s": 0.3}, "match": {"until_s": 30.0}},
        ),
    ),
    Case(
        "a body in two frames", "410 whose body comes in two DATA frames", "RFC 9113, 8.1",
        (Pushes(3),), rules=({"do": {**_answer("Unregistered", timestamp=GONE_SINCE), "split_body": True}},),
        expects="refused", reason="Unregistered", timestamp=GONE_SINCE, most_attempts=1,
    ),
    Case(
        "gone", "410 with the time since when", ANSWERS,
        (Pushes(5),), rules=({"do": _answer("Unregistered", timestamp=GONE_SINCE)},),
        expects="refused", reason="Unregistered", timestamp=GONE_SINCE, most_attempts=1,
    ),
    Case(
        "many refusals", "3200 bodies on one connection: what was received is to be acknowledged", "RFC 9113, 6.9",
        (Pushes(50),) * 64, rules=({"do": _answer("Unregistered", timestamp=GONE_SINCE)},),
        profile={"errors_before_close": None}, expects="refused", reason="Unregistered", timestamp=GONE_SINCE, most_attempts=1, seconds=5.0,
    ),
    Case(
        "expired provider token", "403 ExpiredProviderToken for one: it may be given back, the next arrive", TOKENS,
        (Pushes(1), Pushes(3)), rules=({"do": _answer("ExpiredProviderToken"), "times": 1},), most_tokens=2, may_give_back=1,
    ),
    Case("too many requests", "429 twice", ANSWERS, (Pushes(3),), rules=({"do": _answer("TooManyRequests"), "times": 2},)),
    Case("unavailable", "503 twice", ANSWERS, (Pushes(3),), rules=({"do": _answer("ServiceUnavailable"), "times": 2},)),
    Case(
        "cut connections", "the first five requests cost their connection, unprocessed", "RFC 9113, 9.1",
        (Pushes(1),), rules=({"do": {"close": True}, "times": 5},), most_attempts=10, seconds=30.0,
    ),
    Case(
        "lost answers", "the connection is cut behind a push that arrived", "RFC 9110, 9.2.2",
        (Pushes(1), Pushes(10)), rules=({"do": {"close": True}, "accepts_first": True, "match": {"nth": 4}, "times": 1},), expects="unknown",
    ),
    Case(
        "idle", "three times an idle connection is ended; the provider token is good for an hour", TOKENS,
        (Pushes(1), Idle(1.2), Pushes(1), Idle(1.2), Pushes(1), Idle(1.2), Pushes(1)),
    ),
    Case(
        "silent death", "an idle connection is dead, and nothing says so", "GitHub golang/go issue 14607",
        (Pushes(1), Idle(0.2), Pushes(1)), profile={"idle": "silent"}, seconds=40.0,
    ),
    Case(
        "slow answers", "answers that take eleven seconds", "RFC 9113, 9.1: a connection with open streams is not idle",
        (Pushes(1), Pushes(5)), rules=({"do": {"delay_s": 11}, "match": {"nth": 3}}, {"do": {"delay_s": 11}, "match": {"nth": 2}}), seconds=40.0,
    ),
    Case(
        "black hole", "APNs takes connections and is silent", "RFC 9110, 9.5",
        (Pushes(3),), black_hole=True, expects="unknown", seconds=40.0,
    ),
    Case(
        "one apns-id twice", "two pushes under one apns-id in flight", SENDING,
        (Pushes(1), Pushes(2, apns_id="9C2C1E5A-6F27-4E1F-8A75-0B1B8F3D5A10")), rules=({"do": {"delay_s": 0.3}, "match": {"until_s": 30.0}},),
    ),
    Case(
        "the end", "standard input ends while pushes are being answered: none is sent again", "RFC 9113, 9.1",
        (Pushes(1), Pushes(5)), rules=({"do": {"delay_s": 2.5}},), ends_at_once=True,
    ),
)  # fmt: skip
"""Every one in a fresh sandbox, with a fresh process of the provider."""
