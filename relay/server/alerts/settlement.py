"""Pure: what became of an alert's push -> how its delivery goes on."""

from relay.apns.push import Outcome
from relay.apns.reasons import Verdict
from relay.server.delivery import Delivery, DeliveryResult, DeliveryStatus

FIRST_RETRY, LONGEST_RETRY = 1.0, 3600.0
"""Seconds between attempts when APNs cannot be reached, doubling."""
MOST_DOUBLINGS = 12
"""More change nothing, and two to the number of attempts overflows a float after a thousand."""

STATUS: dict[Verdict, DeliveryStatus] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "failed",
    Verdict.OUR_FAULT: "failed",
    Verdict.RETRY_LATER: "queued",
    Verdict.KEY_REFUSED: "queued",
    Verdict.NEW_PROVIDER_TOKEN: "queued",
}
"""By verdict. Which environment a token is of, `relay.apns` has found out before."""


def result_of(
    delivery: Delivery, outcome: Outcome, *, at: int, latency_ms: int = 0, jitter: float = 0.0
) -> DeliveryResult:
    """How the delivery goes on; what would be due again after its expiration has failed.

    `jitter` from 0 to 1 spreads retries: the pause grows by up to a half, and is never shorter than Apple asks for.
    """
    status = STATUS[outcome.verdict]
    due_at = at + int(_pause(delivery, outcome, jitter) * 1000) if status == "queued" else 0
    if due_at >= delivery.push.expiration * 1000:
        status, due_at = "failed", 0
    return DeliveryResult(
        delivery=delivery, outcome=outcome, status=status, at=at, due_at=due_at, latency_ms=latency_ms
    )


def _pause(delivery: Delivery, outcome: Outcome, jitter: float) -> float:
    """Seconds until the next attempt."""
    if outcome.transmission == "not_sent" and outcome.retry_after:
        return outcome.retry_after
    # A refused key pauses all pushes (`apns/key_pause.py`), ever longer: none waits for itself beside that.
    times = 1 if outcome.verdict is Verdict.KEY_REFUSED else 2 ** min(delivery.attempts, MOST_DOUBLINGS)
    return min((outcome.retry_after or FIRST_RETRY) * times, LONGEST_RETRY) * (1 + jitter / 2)
