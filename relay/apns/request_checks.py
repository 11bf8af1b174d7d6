"""What APNs is known to refuse is refused here, with APNs' own answer, before a stream is opened. Pure.

Source: Apple, "Sending notification requests to APNs" (the headers) and "Generating a remote notification" (the size
of a payload). A value that could break out of its header (CR, LF, NUL: RFC 9113 8.2.1) fits none of these forms.
"""

import re
from collections.abc import Callable
from typing import Final

from relay.apns.push import Answered, Push

MAX_PAYLOAD: Final = 4096
"""Bytes of JSON. Only VoIP pushes may have 5120, and the relay sends none."""
MAX_COLLAPSE_ID: Final = 64
"""Bytes of UTF-8."""

# Apple: "don't assume a size" of a token. Seen are 64 and 160 digits; this bound keeps a request in one frame.
_TOKEN: Final = re.compile(r"(?:[0-9a-fA-F]{2}){1,512}").fullmatch
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_TOPIC: Final = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_PUSH_TYPE: Final = re.compile(r"[a-z]{0,32}").fullmatch  # empty: left out, and APNs assumes its default
PRIORITIES: Final = frozenset({1, 5, 10})


def _is_collapse_id(text: str) -> bool:
    return (
        text.isprintable() and len(text.encode(errors="replace")) <= MAX_COLLAPSE_ID and text == text.strip()
    )


CHECKS: Final[tuple[tuple[Callable[[Push], object], Answered], ...]] = (
    (lambda push: _TOKEN(push.device_token), Answered(400, "BadDeviceToken")),
    (lambda push: _UUID(push.apns_id), Answered(400, "BadMessageId")),
    (lambda push: 0 <= push.expiration < 2**53, Answered(400, "BadExpirationDate")),
    (lambda push: push.priority in PRIORITIES, Answered(400, "BadPriority")),
    (lambda push: _is_collapse_id(push.collapse_id), Answered(400, "BadCollapseId")),
    (lambda push: _PUSH_TYPE(push.push_type), Answered(400, "InvalidPushType")),
    (lambda push: push.topic, Answered(400, "MissingTopic")),
    (lambda push: _TOPIC(push.topic), Answered(400, "BadTopic")),
    (lambda push: push.payload, Answered(400, "PayloadEmpty")),
    (lambda push: len(push.payload) <= MAX_PAYLOAD, Answered(413, "PayloadTooLarge")),
)
"""What must hold, and the answer that Apple documents where it does not."""


def refusal(push: Push) -> Answered | None:
    """The answer that APNs would give, if it is certain to refuse this push; else None."""
    for holds, answer in CHECKS:
        if not holds(push):
            return answer
    return None
