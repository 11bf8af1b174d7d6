"""Pure: what APNs said of a delivery -> how the delivery, its token and its environment go on."""

from dataclasses import dataclass
from typing import Literal

from relay.apns.push import Outcome
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.server.alerts.planner import Delivery

Status = Literal["queued", "sent", "failed"]

FIRST_RETRY, LONGEST_RETRY = 1.0, 3600.0
"""Seconds between tries when APNs cannot be reached, doubling."""
MOST_DOUBLINGS = 12
"""More change nothing, and two to the number of tries overflows a float after a thousand."""


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


def too_late(delivery: Delivery, now_ms: int) -> Settlement | None:
    """The end of a push that expired while no relay ran: nobody wants to hear of it any more."""
    if now_ms < delivery.push.expiration * 1000:
        return None
    return Settlement(
        status="failed",
        apns_env=delivery.push.apns_env,
        told=(None, None, "it expired before it could be sent"),
    )


def settle(delivery: Delivery, outcome: Outcome, *, now_ms: int, jitter: float) -> Settlement:
    """How the delivery goes on.

    `jitter` from 0 to 1 spreads retries: the pause grows by up to a half, and is never shorter than Apple asks for.
    """
    env, said = outcome.apns_env, told(outcome)
    match outcome.verdict:
        case Verdict.DELIVERED:
            return Settlement(status="sent", apns_env=env, told=said, moved=env != delivery.push.apns_env)
        case Verdict.TOKEN_DEAD:
            return Settlement(
                status="failed", apns_env=env, told=said, forget_token=True, dead_since=outcome.timestamp
            )
        case Verdict.RETRY_LATER | Verdict.KEY_REFUSED | Verdict.NEW_PROVIDER_TOKEN:
            return _retry(delivery, outcome, now_ms, jitter)
        case _:
            return Settlement(status="failed", apns_env=env, told=said, advice=outcome.advice)


def _retry(delivery: Delivery, outcome: Outcome, now_ms: int, jitter: float) -> Settlement:
    known = outcome.retry_after if outcome.transmission == "not_sent" else None
    # A refused key pauses all pushes (`apns/key_pause.py`), ever longer: none waits for itself beside that.
    times = 1 if outcome.verdict is Verdict.KEY_REFUSED else 2 ** min(delivery.attempts, MOST_DOUBLINGS)
    pause = known or min((outcome.retry_after or FIRST_RETRY) * times, LONGEST_RETRY) * (1 + jitter / 2)
    due_at = now_ms + int(pause * 1000)
    env, said = delivery.push.apns_env, told(outcome)
    if due_at >= delivery.push.expiration * 1000:
        return Settlement(status="failed", apns_env=env, told=said, advice=outcome.advice)
    return Settlement(status="queued", apns_env=env, told=said, due_at=due_at, advice=outcome.advice)


def told(outcome: Outcome) -> tuple[int | None, str | None, str | None]:
    """HTTP status, APNs' reason, and our own words where APNs gave none."""
    reason, error = outcome.reason, outcome.error
    return outcome.status, _text(reason or "", 64) or None, None if error is None else _text(error, 1024)


def _text(text: str, limit: int) -> str:
    """What a column takes: so long, and no lone surrogates, which JSON can carry and no database stores."""
    return text[:limit].encode(errors="replace").decode()
