"""One log line for each try of a push; an error, with what to do, where the operator must act."""

import logging

from relay.log import line
from relay.server.store.deliveries import Settled

log = logging.getLogger("relay.delivery")


def tell(settled: Settled) -> None:
    """Log what became of the push. Of tokens only the end is shown."""
    delivery, settlement = settled.delivery, settled.settlement
    push = delivery.push
    http_status, reason, error = settlement.told
    text = line(
        "delivery",
        status=settlement.status,
        apnsID=push.apns_id,
        eventID=delivery.event_id,
        eventType=delivery.event_type,
        sessionID=delivery.session_id,
        token=f"…{push.device_token[-8:]}",
        pushType=push.push_type,
        priority=push.priority,
        apnsEnv=settlement.apns_env,
        attempt=delivery.attempts + 1,
        httpStatus=http_status,
        reason=reason,
        error=error,
        latencyMs=settled.latency_ms,
        advice=settlement.advice or None,
    )
    log.log(logging.ERROR if settlement.advice else logging.INFO, text)
