"""Who may see /admin: the admin token, typed once; then a signed session in a cookie. No I/O.

A session is signed with a key made of the token, so relays that share the token share sessions, and another token ends them all.
What changes something must come from our own page: SameSite=Strict, where the request comes from (Sec-Fetch-Site, or Origin), and a
token in the form, each of which would do (OWASP, "Cross-Site Request Forgery Prevention").
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

SESSION_SECONDS: Final = 12 * 3600
FAILURES, FAILURE_SECONDS = 5, 60.0
"""So many wrong tokens from one address within so many seconds, then the next has to wait."""
MOST_ADDRESSES, MOST_ENDED = 10_000, 1_000
COOKIE: Final = "relay_admin"


class Sessions:
    """Begins, recognizes and ends sessions. `now` is UNIX seconds."""

    def __init__(self, token: str, now: Callable[[], float]) -> None:
        self._token, self._now = token.encode(), now
        self._key = _mac(self._token, "relay /admin sessions").encode()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, token: str) -> str | None:
        """A session for who has the token, compared in a time that says nothing of it; else None."""
        if not hmac.compare_digest(token.strip().encode(), self._token):
            return None
        named = f"{int(self._now()) + SESSION_SECONDS}.{secrets.token_hex(16)}"
        return f"{named}.{_mac(self._key, named)}"

    def is_good(self, session: str) -> bool:
        """Whether we signed it, it has not run out, and nobody ended it here."""
        named, _, signature = session.rpartition(".")
        if not hmac.compare_digest(signature.encode(), _mac(self._key, named).encode()):
            return False
        return self._now() < int(named.partition(".")[0]) and session not in self._ended

    def end(self, session: str) -> None:
        """It is good no longer, at this relay."""
        self._ended[session] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    def form_token(self, session: str) -> str:
        """What a form of this session must bring along."""
        return _mac(self._key, f"form {session}")

    def is_form_of(self, session: str, given: str) -> bool:
        """Whether the form is one that this session was given."""
        return hmac.compare_digest(given.encode(), self.form_token(session).encode())


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Failures:
    """Wrong tokens of each address. `monotonic` is in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until the address may try again; 0.0: now."""
        recent = self._recent(address)
        if len(recent) < FAILURES:
            return 0.0
        return recent[-FAILURES] + FAILURE_SECONDS - self._monotonic()

    def add(self, address: str) -> None:
        """One more."""
        self._at[address] = [*self._recent(address), self._monotonic()]
        self._at.move_to_end(address)
        if len(self._at) > MOST_ADDRESSES:
            self._at.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        now = self._monotonic()
        return [at for at in self._at.get(address, ()) if now - at < FAILURE_SECONDS]


def is_from_our_page(headers: Mapping[str, str]) -> bool:
    """Whether the browser says that the request comes from a page of ours; names of headers are in small letters. One that says
    nothing is refused.

    Sec-Fetch-Site comes with https and on loopback; else a POST has its Origin, whose host is the one that was asked (Fetch standard).
    """
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == headers.get("host", "")


def is_https(scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether the browser's side is encrypted: here, or at a proxy that says so. A client that lies only hurts its own cookie."""
    forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip()
    return "https" in (scheme, forwarded, urlsplit(headers.get("origin", "")).scheme)
