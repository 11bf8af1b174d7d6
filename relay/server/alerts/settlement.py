"""Pure: what APNs said of a delivery -> how the delivery, its token and its environment go on."""

from dataclasses import dataclass
from typing import Literal

from relay.apns.push import Answered, NotSent, Outcome
from relay.apns.reasons import Reason, Verdict, judge
from relay.contract import ApnsEnv
from relay.server.alerts.planner import Delivery

Status = Literal["queued", "sent", "failed"]

FIRST_RETRY, LONGEST_RETRY = 1.0, 3600.0
"""Seconds between tries when APNs cannot be reached, doubling."""
MOST_DOUBLINGS = 12
"""More change nothing, and two to the number of tries overflows a float after a thousand."""
OTHER_ENV: dict[ApnsEnv, ApnsEnv] = {"sandbox": "production", "production": "sandbox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What to write down.

    `told` is HTTP status, APNs' reason, and our own words where it did not answer. `due_at` (UTC ms) counts for queued
    only, `dead_since` (UTC ms) only where `forget_token`. `moved`: the token belongs to this `apns_env`.
    """

    status: Status
    apns_env: ApnsEnv
    told: tuple[int | None, str | None, str | None]
    due_at: int = 0
    forget_token: bool = False
    dead_since: int | None = None
    moved: bool = False
    advice: str = ""


def wants_other_environment(outcome: Outcome) -> bool:
    """True if the same push should be tried once on the other host."""
    return judge(outcome).verdict is Verdict.WRONG_ENVIRONMENT


def too_late(delivery: Delivery, now_ms: int) -> Settlement | None:
    """The end of a push that expired while no relay ran: nobody wants to hear of it any more."""
    if now_ms < delivery.push.expiration * 1000:
        return None
    return Settlement(
        status="failed",
        apns_env=delivery.push.apns_env,
        told=(None, None, "it expired before it could be sent"),
    )


def settle(
    delivery: Delivery, outcome: Outcome, other: Outcome | None, *, now_ms: int, jitter: float
) -> Settlement:
    """How the delivery goes on after `outcome`, and after `other` if the other environment was tried too.

    `jitter` from 0 to 1 spreads retries: the pause grows by up to a half, and is never shorter than Apple asks for.
    """
    env = delivery.push.apns_env
    if other is None:
        return _of(delivery, env, outcome, now_ms, jitter)
    if judge(other).verdict is Verdict.WRONG_ENVIRONMENT:
        return _in_neither(delivery, outcome, other)
    return _of(delivery, OTHER_ENV[env], other, now_ms, jitter)


def _of(delivery: Delivery, env: ApnsEnv, outcome: Outcome, now_ms: int, jitter: float) -> Settlement:
    row = judge(outcome)
    moved = env != delivery.push.apns_env
    said = told(outcome)
    match row.verdict:
        case Verdict.DELIVERED:
            return Settlement(status="sent", apns_env=env, told=said, moved=moved)
        case Verdict.TOKEN_DEAD:
            return Settlement(
                status="failed", apns_env=env, told=said, forget_token=True, dead_since=_since(outcome)
            )
        case Verdict.RETRY_LATER | Verdict.KEY_REFUSED | Verdict.NEW_PROVIDER_TOKEN:
            return _retry(delivery, row, outcome, now_ms, jitter)
        case _:
            return Settlement(status="failed", apns_env=env, told=said, advice=row.advice)


def _in_neither(delivery: Delivery, outcome: Outcome, other: Outcome) -> Settlement:
    """Bad on both hosts: the token is dead. If the key is not allowed on one of them, nobody can tell: keep it."""
    advice = judge(outcome).advice or judge(other).advice
    return Settlement(
        status="failed",
        apns_env=delivery.push.apns_env,
        told=told(outcome),
        forget_token=not advice,
        advice=advice,
    )


def _retry(delivery: Delivery, row: Reason, outcome: Outcome, now_ms: int, jitter: float) -> Settlement:
    known = outcome.retry_after if isinstance(outcome, NotSent) else None
    # A refused key pauses all pushes (`apns/key_pause.py`), ever longer: none waits for itself beside that.
    times = 1 if row.verdict is Verdict.KEY_REFUSED else 2 ** min(delivery.attempts, MOST_DOUBLINGS)
    pause = known or min((row.retry_after or FIRST_RETRY) * times, LONGEST_RETRY) * (1 + jitter / 2)
    due_at = now_ms + int(pause * 1000)
    env, said = delivery.push.apns_env, told(outcome)
    if due_at >= delivery.push.expiration * 1000:
        return Settlement(status="failed", apns_env=env, told=said, advice=row.advice)
    return Settlement(status="queued", apns_env=env, told=said, due_at=due_at, advice=row.advice)


def _since(outcome: Outcome) -> int | None:
    return outcome.timestamp if isinstance(outcome, Answered) else None


def told(outcome: Outcome) -> tuple[int | None, str | None, str | None]:
    """HTTP status, APNs' reason, and our own words where APNs gave none."""
    if isinstance(outcome, Answered):
        return outcome.status, _text(outcome.reason or "", 64) or None, None
    return None, None, _text(outcome.why, 1024)


def _text(text: str, limit: int) -> str:
    """What a column takes: so long, and no lone surrogates, which JSON can carry and no database stores."""
    return text[:limit].encode(errors="replace").decode()
