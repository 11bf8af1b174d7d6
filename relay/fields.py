"""The forms of the contract's values: what a secret, a token, a name may be, as a pattern and in words. No I/O.

The words end the sentence "this field must be ..." in a refusal, and stand in the OpenAPI documents. The patterns mean the same
in Python and in ECMA 262, whose dialect JSON Schema has.
"""

import re
from typing import Annotated, Any

from msgspec import Meta

MIN_SECRET_LENGTH = 16
"""Shorter secrets collide between users: whoever knows the secret may push to its phones."""

TOPIC_SUFFIXES = (
    ".complication",
    ".location-query",
    ".push-type.controls",
    ".push-type.liveactivity",
    ".push-type.widgets",
    ".pushkit.fileprovider",
    ".voip",
    ".voip-ptt",
)
"""What stands behind a bundle id in the topics of other push types; Apple, "Sending notification requests to APNs", the
table of apns-push-type (documented). Who registers a topic as bundle id gets DeviceTokenNotForTopic for every alert."""

_END = r"$(?!\n)"
"""The end of a text in both dialects; Python's `$` alone passes over a line feed."""


def _text(description: str, **bounds: Any) -> Meta:
    """The form of a text."""
    return Meta(description=description, **bounds)


Secret = Annotated[
    str,
    _text(
        f"text of {MIN_SECRET_LENGTH} to 512 characters",
        min_length=MIN_SECRET_LENGTH,
        max_length=512,
    ),
]
Token = Annotated[
    str,
    _text("hexadecimal, two digits a byte, 1 to 256 bytes", pattern=rf"^(?:[0-9a-fA-F]{{2}}){{1,256}}{_END}"),
]
"""Opaque bytes; Apple: "don't assume a size". Longer than 512 digits does not fit the tables."""
Name = Annotated[
    str, _text("1 to 128 printable ASCII characters without spaces", pattern=rf"^[\x21-\x7e]{{1,128}}{_END}")
]
"""How OpenCode names a session or a server. The bound keeps every payload under 4096 bytes."""
_BUNDLE_ID = rf"^(?!.*(?:{'|'.join(map(re.escape, TOPIC_SUFFIXES))}){_END})[A-Za-z0-9.-]{{1,155}}{_END}"
BundleID = Annotated[
    str,
    _text(
        "the app's bundle id: 1 to 155 letters, digits, hyphens and periods, without a topic suffix of Apple's "
        f"({', '.join(TOPIC_SUFFIXES)})",
        pattern=_BUNDLE_ID,
    ),
]
"""Apple allows letters, digits, hyphen and period, at most 155 characters."""
EventID = Annotated[
    str, _text("1 to 64 printable ASCII characters without spaces", pattern=rf"^[\x21-\x7e]{{1,64}}{_END}")
]
PhoneTime = Annotated[
    float, Meta(description="a number of seconds, UNIX time on the phone's clock", ge=0, lt=2**40)
]
KeyID = Annotated[
    str,
    _text(
        "11 characters of base64url: 8 bytes of the SHA-256 of a key", pattern=rf"^[A-Za-z0-9_-]{{11}}{_END}"
    ),
]
SealNonce = Annotated[
    str, _text("16 characters of base64url: 12 bytes", pattern=rf"^[A-Za-z0-9_-]{{16}}{_END}")
]
Ciphertext = Annotated[
    str, _text("22 to 2700 characters of base64url", pattern=rf"^[A-Za-z0-9_-]{{22,2700}}{_END}")
]
"""The longest leaves room for everything else in the 4096 bytes of a push; the shortest is the tag alone."""
NonEmpty = Annotated[str, _text("text that is not empty", min_length=1)]


def is_bundle_id(text: str) -> bool:
    """Whether `text` can be a BundleID."""
    return re.search(_BUNDLE_ID, text) is not None


_WIRE_WORDS = {"id": "ID", "url": "URL"}


def wire_name(field: str) -> str:
    """The wire's spelling of a Python field name: `session_id` is `sessionID`, `device_token` is `deviceToken`."""
    first, *rest = field.split("_")
    return first + "".join(_WIRE_WORDS.get(word, word.capitalize()) for word in rest)
