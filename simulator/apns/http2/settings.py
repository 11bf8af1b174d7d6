"""SETTINGS: what this server announces, and what a client may ask for (RFC 9113 section 6.5.2)."""

from typing import Final

from simulator.apns.errors import ConnectionFailure
from simulator.apns.http2 import frames
from simulator.apns.http2.frames import ErrorCode, Setting

HEADER_TABLE_SIZE: Final = 4096

_ALLOWED: Final[dict[int, range]] = {
    Setting.ENABLE_PUSH: range(2),
    Setting.MAX_FRAME_SIZE: range(frames.DEFAULT_MAX_FRAME_SIZE, 2**24),
}


def check_setting(setting: int, value: int) -> None:
    """ConnectionFailure if a client may not say so. Windows are judged where they are kept; unknown settings pass."""
    allowed = _ALLOWED.get(setting)
    if allowed is not None and value not in allowed:
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, f"setting {setting} may not be {value}")


def first_settings(stream_limit: int) -> dict[int, int]:
    """As seen from api.push.apple.com with token authentication (GitHub jchambers/pushy issue 878)."""
    return {
        Setting.HEADER_TABLE_SIZE: HEADER_TABLE_SIZE,
        Setting.MAX_CONCURRENT_STREAMS: stream_limit,
        Setting.INITIAL_WINDOW_SIZE: frames.DEFAULT_WINDOW,
        Setting.MAX_FRAME_SIZE: frames.DEFAULT_MAX_FRAME_SIZE,
    }
