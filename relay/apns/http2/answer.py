"""What an answer says: its status, and of its body what Apple documents. Pure."""

import json
import re
from typing import Final

from relay.apns.push import Answered

MAX_BODY: Final = 16 * 1024
"""Octets. Apple's bodies have some 60; of a larger one only the status counts."""
LATEST: Final = 2**53
"""Milliseconds; more is no time and would not fit a table."""

DELIVERED: Final = Answered(200)
_REASON: Final = re.compile(r"[\x21-\x7e]{1,64}")


class PartialAnswer:
    """An answer of which more is to come."""

    def __init__(self, status: int) -> None:
        self.status, self.body = status, b""


def read_answer(status: int, body: bytes) -> Answered:
    """`{"reason": "...", "timestamp": ms}` (Apple, "Handling notification responses from APNs"); a body that is not
    of this form is passed over.
    """
    if status == 200:
        return DELIVERED
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return Answered(status)
    reason, timestamp = fields.get("reason"), fields.get("timestamp")
    return Answered(
        status,
        reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None,
        timestamp if type(timestamp) is int and 0 < timestamp < LATEST else None,
    )
