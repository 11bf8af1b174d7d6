"""OpenCode's identifiers: prefix, "_", 12 hex digits of time and counter, 14 random base62 digits.

Observed on OpenCode 1.18.33, and on 2: the hex digits are the low 48 bits of `ms * 4096 + counter` (from 1); they ascend for messages,
parts, events and requests and descend (bitwise not) for sessions, so that the newest session sorts first.
"""

import hashlib
import random
import re

from simulator.clock import Clock

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS = 14
_PAIRS = [_BASE62[number // 62 % 62] + _BASE62[number % 62] for number in range(4096)]
_PAIR_SHIFTS = range(0, 12 * _RANDOM_DIGITS // 2, 12)
"""Twelve random bits make two digits: ten thousand events a second each need an identifier."""
_TIME_MASK = (1 << 48) - 1
_DESCENDING = frozenset({"ses"})

_ID = re.compile(
    r"(ses|msg|prt|per|que|evt|frm|psv|sh|pty|cred)_([0-9a-f]{12})([0-9A-Za-z]{14})|call_(\d+)_(\d+)"
)


class Ids:
    """Makes new identifiers, growing with the clock and unique within one server."""

    def __init__(self, clock: Clock, source: random.Random) -> None:
        self._clock = clock
        self._random = source
        self._last = 0

    def new(self, prefix: str) -> str:
        """The next identifier of a kind: `ses`, `msg`, `prt`, `per`, `que`, `evt`, `frm`, `psv` or `sh`."""
        self._last = max(self._last + 1, round(self._clock.now() * 1000) * 4096 + 1)
        time = self._last & _TIME_MASK
        if prefix in _DESCENDING:
            time ^= _TIME_MASK
        bits = self._random.getrandbits(84)
        tail = "".join([_PAIRS[bits >> shift & 4095] for shift in _PAIR_SHIFTS])
        return f"{prefix}_{time:012x}{tail}"


def renamed(text: str, play: int) -> str:
    """The text with every identifier replaced by that of the play; play 0 keeps the recorded ones.

    The time digits stay, so the order within one recording stays too; the same text and play give the same result.
    """
    if play == 0:
        return text
    return _ID.sub(lambda match: _renamed_id(match, play), text)


def _renamed_id(match: re.Match[str], play: int) -> str:
    digest = hashlib.sha256(f"{play}:{match[0]}".encode()).digest()
    if match[1] is None:
        return f"call_{int.from_bytes(digest[:4]) % 10**8:08d}_{match[5]}"
    tail = "".join(_BASE62[byte % 62] for byte in digest[:_RANDOM_DIGITS])
    return f"{match[1]}_{match[2]}{tail}"
