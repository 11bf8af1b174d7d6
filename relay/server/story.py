"""One delivery in words: what each attempt came to, what Apple says of it, and how it goes on. Pure; for `relay log` and /admin alike."""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from relay.apns.reasons import MEANINGS, REASONS, SOURCE
from relay.server.delivery import PastAttempt
from relay.server.store.log import Logged

OBSERVED: Final = "seen on the wire; Apple's table does not have it"
UNKNOWN: Final = "a reason that this relay does not know; what it does goes by the status"
TAKEN: Final = "APNs took it"
NO_ANSWER: Final = "no answer"
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


class Meaning(NamedTuple):
    """What a reason means, who says so, and what the operator can do; '' where there is nothing to say."""

    sentence: str
    source: str
    advice: str


def meaning(reason: str | None) -> Meaning | None:
    """Of a reason of APNs; None without one."""
    if not reason:
        return None
    advice = REASONS[reason].advice if reason in REASONS else ""
    if reason in MEANINGS:
        return Meaning(MEANINGS[reason], SOURCE, advice)
    return Meaning("", OBSERVED if reason in REASONS else UNKNOWN, advice)


def answer(http_status: int | None, reason: str | None, error: str | None) -> str:
    """`410 Unregistered`, or our own words where APNs said nothing."""
    if http_status == 200:
        return f"200, {TAKEN}"
    if http_status:
        return f"{http_status} {reason}" if reason else str(http_status)
    return error or NO_ANSWER


def attempts(one: Logged) -> Sequence[PastAttempt]:
    """Those that are remembered, the first of them first."""
    past = one.past_attempts
    if not one.attempts or (past and past[-1].number >= one.attempts):
        return past
    last = PastAttempt(
        one.attempts, one.updated_at, one.apns_env, one.http_status, one.reason, one.error, one.latency_ms
    )
    return (*past, last)


def outcome(one: Logged) -> str:
    """How it stands, in a few words behind its status; '' for one that was sent at once."""
    if one.status == "sent":
        return f"attempt {one.attempts}" if one.attempts > 1 else ""
    if not one.attempts:
        return one.error or ""
    said = one.error if _ended_between(one) else answer(one.http_status, one.reason, one.error)
    return f"attempt {one.attempts}: {said}" if one.attempts > 1 else str(said)


def why(one: Logged) -> str:
    """The same with what Apple says of the last answer."""
    said, known = outcome(one), meaning(one.reason)
    if one.status == "sent" or not known or not known.sentence or _ended_between(one):
        return said
    return f"{said}: {known.sentence}"


def then(one: Logged) -> str:
    """How it goes on, as a sentence."""
    if one.status == "queued":
        return f"It waits; the next attempt is due at {utc(one.due_at)}."
    if one.status == "sent":
        return f"It was sent {seconds(one.updated_at - one.created_at)} after the event."
    if not one.attempts or _ended_between(one):
        return f"It failed without a further attempt: {one.error or NO_ANSWER}."
    return "It failed and is not tried again."


def _ended_between(one: Logged) -> bool:
    """It ended though no attempt came to an end: the phone unregistered."""
    past = one.past_attempts
    return one.status == "failed" and bool(past) and past[-1].number >= one.attempts and bool(one.error)


def utc(at_ms: int) -> str:
    """`2026-11-30 17:03:19Z`."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))


def short_utc(at_ms: int) -> str:
    """`11-30 17:03:19Z`, for tables."""
    return utc(at_ms)[5:]


def ago(at_ms: int, now_ms: int) -> str:
    """`12 s`, `3 min`, `2 h`, `5 d`."""
    passed = max(0, now_ms - at_ms) // 1000
    return next((f"{passed // size} {unit}" for size, unit in _UNITS if passed >= size), f"{passed} s")


def seconds(ms: int | None) -> str:
    """`40 ms`, `1.2 s`, or minutes and more as `ago` has them."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{max(0, ms)} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else ago(0, ms)


def named(secret_hash: str, names: dict[str, str]) -> str:
    """The name that the operator gave, or the beginning of the hash."""
    return names.get(secret_hash) or f"{secret_hash[:12]}…"


def as_json(one: Logged, name: str | None = None) -> dict[str, Any]:
    """The same for programs, with the names of the relay's log lines; what there is not is left out."""
    found = {
        "apnsID": one.id,
        "status": one.status,
        "eventType": one.event_type,
        "eventID": one.event_id,
        "sessionID": one.session_id,
        "secretHash": f"{one.secret_hash[:12]}…",
        "secretName": name,
        "token": f"…{one.token_suffix}",
        "topic": one.topic,
        "apnsEnv": one.apns_env,
        "createdAt": _iso(one.created_at),
        "updatedAt": _iso(one.updated_at),
        "dueAt": _iso(one.due_at) if one.status == "queued" else None,
        "error": one.error if not one.attempts or _ended_between(one) else None,
        "attempts": [_attempt_json(each) for each in attempts(one)],
    }
    return {key: value for key, value in found.items() if value is not None}


def _attempt_json(each: PastAttempt) -> dict[str, Any]:
    said = meaning(each.reason)
    found = {
        "attempt": each.number,
        "at": _iso(each.at),
        "apnsEnv": each.apns_env,
        "httpStatus": each.http_status,
        "reason": each.reason,
        "meaning": said.sentence or None if said else None,
        "source": said.source if said else None,
        "advice": said.advice or None if said else None,
        "error": each.error,
        "latencyMs": each.latency_ms,
    }
    return {key: value for key, value in found.items() if value is not None}


def _iso(at_ms: int) -> str:
    return f"{utc(at_ms)[:-1].replace(' ', 'T')}.{at_ms % 1000:03d}Z"
