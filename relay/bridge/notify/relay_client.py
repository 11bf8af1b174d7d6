"""One event to the relay, one attempt: what was replied, and what that means."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import aiohttp
import msgspec

from relay import contract, traceparent
from relay.bridge.client import MAX_REPLY, read_at_most
from relay.bridge.errors import OptionError
from relay.bridge.failures import PROXY_STATUSES, in_words
from relay.proxy import Proxy, ProxyError, proxy_for
from relay.text import cut

DEADLINE = 15.0
"""Seconds for one attempt."""
MAX_RETRY_AFTER = 300.0
"""Seconds that the relay can make an event wait by Retry-After."""
RETRIED_STATUSES = frozenset({408, 425, 429})
"""Of the 4xx, those that say "later" rather than "no". Every 5xx is tried again, too."""
COUNTS = ("sent", "failed", "queued")

Verdict = Literal["delivered", "refused", "retry", "suppressed"]


@dataclass(frozen=True, slots=True)
class PostResult:
    """What came of one attempt. `retry`: it failed, but may yet succeed, after `wait` seconds at the soonest.

    `limited`: the relay takes no more from this secret for so long. `code`: the relay's own, of a refusal. `suppressed`: it was not made.
    `at`: when it ended (UNIX seconds), if it was made.
    """

    verdict: Verdict
    reason: str = ""
    counts: dict[str, Any] | None = None
    wait: float = 0.0
    limited: bool = False
    code: str = ""
    speaks_old: bool = False  # a 400 as the first implementation says it
    at: float = 0.0


class RelayClient:
    """Posts to `relay_url`/v1/event, each event as `seal` makes it. `last` is the newest result, None before the first; no reason holds the secret."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        relay_url: str,
        *,
        proxy: Proxy | None = None,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.time,
        seal: Callable[[contract.Event], contract.Event] = lambda event: event,
    ) -> None:
        self._http = http
        self._url = f"{contract.normal_relay_url(relay_url)}/v1/event"
        self._way = through(proxy, self._url)
        self._timeout = aiohttp.ClientTimeout(total=deadline)
        self._clock = clock
        self._seal = seal
        self.last: PostResult | None = None

    async def post(self, event: contract.Event) -> PostResult:
        """What the relay made of the event. Never raises for what goes wrong on the way."""
        result = await self._post(event)
        reason = result.reason.replace(event.secret, "***")
        self.last = replace(result, reason=reason, at=self._clock())
        return self.last

    async def _post(self, event: contract.Event) -> PostResult:
        try:
            async with self._http.post(
                self._url,
                data=contract.encode(self._seal(event)),
                timeout=self._timeout,
                allow_redirects=False,
                **self._way | {"headers": self._way["headers"] | _headers(event)},
            ) as response:
                return read_reply(
                    response.status,
                    await read_at_most(response, MAX_REPLY),
                    response.headers.get("Retry-After"),
                )
        except TimeoutError:
            return PostResult("retry", f"no answer within {self._timeout.total:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return PostResult("retry", in_words(error))


def _headers(event: contract.Event) -> dict[str, str]:
    """Of each attempt with an event the same trace, for a relay that exports traces."""
    trace = {traceparent.HEADER: str(traceparent.of_event(event.event_id))} if event.event_id else {}
    return {"Content-Type": "application/json"} | trace


def relay_proxy(relay_url: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy that leads to the relay. Raises OptionError."""
    try:
        return proxy_for(relay_url, environment)
    except ProxyError as error:
        raise OptionError(str(error)) from None


def through(proxy: Proxy | None, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The headers and the way to `url` as arguments of an aiohttp request.

    User and password stand apart from the proxy's URL, which errors repeat. Of an http:// request the proxy reads the
    headers; of an https:// one only those of its own CONNECT, and the relay never sees them.
    """
    headers = dict(headers or {})
    if proxy is None:
        return {"headers": headers}
    own = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    if url.startswith("https:"):
        return {"headers": headers, "proxy": proxy.url, "proxy_headers": own}
    return {"headers": headers | own, "proxy": proxy.url}


def read_reply(status: int, body: bytes, retry_after: str | None = None) -> PostResult:
    """What the relay's reply means. Pure."""
    said = _object(body)
    if status == 200 and said.get("ok") is True:
        return PostResult("delivered", counts={name: said.get(name) for name in COUNTS})
    if status == 407:
        return PostResult("retry", PROXY_STATUSES[status])
    if status == 429:
        return _limited(said, _seconds(retry_after))
    if status >= 500 or status in RETRIED_STATUSES:
        return PostResult("retry", f"status {status}", wait=_seconds(retry_after))
    if 200 <= status < 300:
        return PostResult("retry", f"status {status}, but it is not a relay's answer")
    words = [f"status {status}", *(str(said[name]) for name in ("error", "details") if said.get(name))]
    speaks_old = status == 400 and "code" not in said
    return PostResult(
        "refused", cut(": ".join(words), 500), code=str(said.get("code", "")), speaks_old=speaks_old
    )


def _limited(said: Mapping[str, Any], wait: float) -> PostResult:
    words = ["status 429", *([str(said["error"])] if said.get("error") else [])]
    return PostResult(
        "retry", cut(": ".join(words), 500), wait=wait, limited=wait > 0, code=str(said.get("code", ""))
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {}


def _seconds(retry_after: str | None) -> float:
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER)
    return 0.0  # absent, or a date: the backoff decides
