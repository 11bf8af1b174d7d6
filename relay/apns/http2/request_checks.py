"""What APNs is known to refuse is refused here, with APNs' own answer, before a stream is opened. Pure.

Source: Apple, "Sending notification requests to APNs" (the headers) and "Generating a remote notification" (the size
of a payload). A value that could break out of its header (CR, LF, NUL: RFC 9113 8.2.1) fits none of these forms.
"""

import re
from functools import lru_cache
from typing import Final

from relay.apns.push import Outcome, Push, answered
from relay.contract import ApnsEnv

MAX_PAYLOAD: Final = 4096
"""Bytes of JSON. Only VoIP pushes may have 5120, and the relay sends none."""
MAX_COLLAPSE_ID: Final = 64
"""Bytes of UTF-8."""

PRIORITIES: Final = frozenset({1, 5, 10})

MAX_TOKEN: Final = 512
"""Bytes. Apple: "don't assume a size"; seen are 32 and 80, and this bound keeps a request in one frame."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_PLAIN: Final = re.compile(r"[\x21-\x7e]{0,64}").fullmatch
_TOPIC: Final = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_PUSH_TYPE: Final = re.compile(r"[a-z]{0,32}").fullmatch  # empty: left out, and APNs assumes its default


def _is_token(text: str) -> bool:
    try:
        size = len(bytes.fromhex(text))
    except ValueError:
        return False
    return 0 < size <= MAX_TOKEN and len(text) == 2 * size  # fromhex would also take spaces


def _is_collapse_id(text: str) -> bool:
    return _PLAIN(text) is not None or (
        text.isprintable() and text == text.strip() and len(text.encode()) <= MAX_COLLAPSE_ID
    )


def refusal(push: Push) -> Outcome | None:
    """The answer that APNs would give, if it is certain to refuse this push; else None."""
    if not _is_token(push.device_token):
        return answered(push.apns_env, 400, "BadDeviceToken")
    if not _UUID(push.apns_id):
        return answered(push.apns_env, 400, "BadMessageId")
    if not 0 <= push.expiration < 2**53:
        return answered(push.apns_env, 400, "BadExpirationDate")
    if not _is_collapse_id(push.collapse_id):
        return answered(push.apns_env, 400, "BadCollapseId")
    if not push.payload:
        return answered(push.apns_env, 400, "PayloadEmpty")
    if len(push.payload) > MAX_PAYLOAD:
        return answered(push.apns_env, 413, "PayloadTooLarge")
    return _refusal_of_kind(push.apns_env, push.topic, push.push_type, push.priority)


@lru_cache(maxsize=1024)
def _refusal_of_kind(apns_env: ApnsEnv, topic: str, push_type: str, priority: int) -> Outcome | None:
    """The same for what many pushes share."""
    if priority not in PRIORITIES:
        return answered(apns_env, 400, "BadPriority")
    if not _PUSH_TYPE(push_type):
        return answered(apns_env, 400, "InvalidPushType")
    if not topic:
        return answered(apns_env, 400, "MissingTopic")
    return None if _TOPIC(topic) else answered(apns_env, 400, "BadTopic")
