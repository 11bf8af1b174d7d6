"""Fault rules as JSON, in and out.

A rule is an object; what is in brackets may be left out, and a rule without `match` meets every push:

    {["id": name],
     ["match": {["token": hex], ["topic": text], ["push_type": text], ["realm": "sandbox" | "production"],
                ["share": 0..1],            of those that match
                ["seed": number],           of that draw: with it the same ones are met in every run
                ["nth": 1..],               only the n-th of those that match
                ["after_s": seconds], ["until_s": seconds]}],       since the rule was added
     "do": exactly one of
           {"answer": {"reason": text, ["status": 200..599], ["timestamp": ms]}}     status: by default the reason's own
           {"delay_s": seconds}             the push is checked and delivered, its answer waits
           {"stall": true}                  never answered
           {"reset": "CANCEL"}              RST_STREAM with the error of this name (RFC 9113 section 7)
           {"goaway": reason, ["last_stream_offset": streams]}
           {"close": true}                  the socket is cut
           {"stream_limit": streams}        lowered until the next 200
           {"split_body": true} | {"malformed_body": true} | {"html_body": true}
           {"no_apns_id": true} | {"upper_apns_id": true}
           The last two lines may stand beside `answer`, and one of each line beside one of the other.
     ["times": 1..],                        how often it strikes at the most
     ["accepts_first": false]}              true: the push is checked and delivered before this happens to it
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from simulator.apns.errors import BadFault
from simulator.apns.faults.rule import (
    Action,
    AnswerWith,
    CloseConnection,
    Delay,
    Fault,
    GoAway,
    Misshape,
    Reset,
    Stall,
    StreamLimit,
)
from simulator.apns.http2.frames import ErrorCode
from simulator.apns.reasons import REASONS

Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]


class MatchDocument(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The conditions."""

    token: str | None = None
    topic: str | None = None
    push_type: str | None = None
    realm: Literal["sandbox", "production"] | None = None
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seed: int | None = None
    nth: Count | None = None
    after_s: Seconds = 0.0
    until_s: Seconds | None = None


class AnswerDocument(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A staged answer."""

    reason: str
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    timestamp: int | None = None


class DoDocument(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The action: see the module's docstring for what may stand together."""

    answer: AnswerDocument | None = None
    delay_s: Seconds | None = None
    stall: bool = False
    reset: str | None = None
    goaway: str | None = None
    last_stream_offset: int = 0
    close: bool = False
    stream_limit: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    split_body: bool = False
    malformed_body: bool = False
    html_body: bool = False
    no_apns_id: bool = False
    upper_apns_id: bool = False


class RuleDocument(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One rule."""

    do: DoDocument
    id: str = ""
    match: MatchDocument | None = None
    times: Count | None = None
    accepts_first: bool = False


_PRIMARY: Final = ("answer", "delay_s", "stall", "reset", "goaway", "close", "stream_limit")
_BODIES: Final[dict[str, Any]] = {"split_body": "split", "malformed_body": "malformed", "html_body": "html"}
_IDS: Final[dict[str, Any]] = {"no_apns_id": "absent", "upper_apns_id": "upper"}


def load(rules: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Read rules. BadFault says where the first wrong field is, e.g. "Expected `float`, got `str` - at `$[0].do.delay_s`"."""
    try:
        documents = msgspec.convert(rules, list[RuleDocument])
    except msgspec.ValidationError as error:
        raise BadFault(str(error)) from None
    return [_fault(each, f"$[{index}]") for index, each in enumerate(documents)]


def dump(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Rules as JSON values, as `load` takes them."""
    return [msgspec.to_builtins(_document(each)) for each in faults]


def _fault(rule: RuleDocument, at: str) -> Fault:
    match = rule.match or MatchDocument()
    return Fault(
        do=_action(rule.do, f"{at}.do"),
        token=None if match.token is None else match.token.lower(),
        topic=match.topic,
        push_type=match.push_type,
        realm=match.realm,
        nth=match.nth,
        times=rule.times,
        probability=match.share,
        seed=match.seed,
        accepts_first=rule.accepts_first,
        after_s=match.after_s,
        until_s=float("inf") if match.until_s is None else match.until_s,
        id=rule.id,
    )


def _action(do: DoDocument, at: str) -> Action:
    given = [name for name in _PRIMARY if (value := getattr(do, name)) is not None and value is not False]
    shape = _shape(do, at)
    if len(given) != (0 if shape and not given else 1) or (shape and given not in ([], ["answer"])):
        raise BadFault(
            f"exactly one action is wanted, a misshapen answer may stand beside `answer` - at `{at}`"
        )
    if do.last_stream_offset and given != ["goaway"]:
        raise BadFault(f"this belongs to `goaway` - at `{at}.last_stream_offset`")
    if not given:
        assert shape is not None  # otherwise one action had to be given
        return shape
    return _primary(do, given[0], shape, at)


def _shape(do: DoDocument, at: str) -> Misshape | None:
    bodies = [form for name, form in _BODIES.items() if getattr(do, name)]
    ids = [form for name, form in _IDS.items() if getattr(do, name)]
    if len(bodies) > 1 or len(ids) > 1:
        raise BadFault(f"only one form of the body, and one of apns-id, is possible - at `{at}`")
    return Misshape((*bodies, "whole")[0], (*ids, "unchanged")[0]) if bodies or ids else None


def _primary(do: DoDocument, name: str, shape: Misshape | None, at: str) -> Action:
    match name:
        case "answer":
            assert do.answer is not None
            return _answer(do.answer, shape, f"{at}.answer")
        case "reset":
            return Reset(_error_code(str(do.reset), f"{at}.reset"))
        case "goaway":
            return GoAway(str(do.goaway), offset=do.last_stream_offset)
        case "delay_s":
            return Delay(do.delay_s or 0.0)
        case "stream_limit":
            return StreamLimit(do.stream_limit or 0)
        case "stall":
            return Stall()
        case _:
            return CloseConnection()


def _answer(answer: AnswerDocument, shape: Misshape | None, at: str) -> AnswerWith:
    if answer.status is None and answer.reason not in REASONS:
        raise BadFault(f"{answer.reason!r} is no reason of APNs, so a status is wanted - at `{at}.status`")
    return AnswerWith(answer.reason, answer.status, answer.timestamp, shape)


def _error_code(name: str, at: str) -> int:
    if name not in ErrorCode.__members__:
        raise BadFault(
            f"{name!r} is no error of HTTP/2: it is one of {', '.join(ErrorCode.__members__)} - at `{at}`"
        )
    return ErrorCode[name]


def _document(fault: Fault) -> RuleDocument:
    until_s = None if fault.until_s == float("inf") else fault.until_s
    match = MatchDocument(
        fault.token,
        fault.topic,
        fault.push_type,
        fault.realm,  # type: ignore[arg-type]  # a plain text in Fault, which Python callers write themselves
        fault.probability,
        fault.seed,
        fault.nth,
        fault.after_s,
        until_s,
    )
    return RuleDocument(
        _do(fault.do), fault.id, None if match == MatchDocument() else match, fault.times, fault.accepts_first
    )


def _do(action: Action) -> DoDocument:
    match action:
        case AnswerWith(reason, status, timestamp, shape):
            return DoDocument(answer=AnswerDocument(reason, status, timestamp), **_flags(shape))
        case Delay(seconds):
            return DoDocument(delay_s=seconds)
        case Reset(code):
            return DoDocument(reset=ErrorCode(code).name)
        case GoAway(reason, _, offset):
            return DoDocument(goaway=reason, last_stream_offset=offset)
        case StreamLimit(limit):
            return DoDocument(stream_limit=limit)
        case Misshape():
            return DoDocument(**_flags(action))
        case Stall():
            return DoDocument(stall=True)
        case _:
            return DoDocument(close=True)


def _flags(shape: Misshape | None) -> dict[str, Any]:
    if shape is None:
        return {}
    return {name: True for name, form in {**_BODIES, **_IDS}.items() if form in shape}
