"""The app's calls to the relay."""

from dataclasses import dataclass
from typing import Any, Literal

from simulator.clock import Clock

ATTEMPT_DEADLINE = 10.0
"""Seconds of real time for one request."""

PATIENCE = 120.0
"""Seconds of the simulator's clock for which a call is repeated while the relay is down."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_TRY_AGAIN = frozenset({408, 429})

Outcome = Literal["accepted", "refused", "unreachable"]


@dataclass(frozen=True, slots=True)
class Reply:
    """How a call ended: HTTP status (0 if nobody answered), the error it told of, and how often it was tried."""

    outcome: Outcome
    status: int
    error: str = ""
    attempts: int = 1


async def call(
    clock: Clock,
    url: str,
    body: dict[str, Any],
    *,
    patience: float = PATIENCE,
    deadline: float = ATTEMPT_DEADLINE,
) -> Reply:
    """POST a JSON object, again and again while the relay is down, each pause twice as long as the one before."""
    give_up_at = clock.now() + patience
    pause, attempts = _FIRST_PAUSE, 1
    while True:
        status, error = await _post(url, body, deadline)
        outcome = judge(status)
        if outcome != "unreachable" or clock.now() + pause > give_up_at:
            return Reply(outcome, status, error, attempts)
        await clock.sleep(pause)
        pause, attempts = min(2 * pause, _LONGEST_PAUSE), attempts + 1


def judge(status: int) -> Outcome:
    """What a status means: 2xx is done, 4xx will not get better, everything else may."""
    if 200 <= status < 300:
        return "accepted"
    return "refused" if 400 <= status < 500 and status not in _TRY_AGAIN else "unreachable"


async def _post(url: str, body: dict[str, Any], deadline: float) -> tuple[int, str]:
    import aiohttp  # late: `simulator apns` calls no relay, and this would be a quarter of its start

    timeout = aiohttp.ClientTimeout(total=deadline)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.post(url, json=body) as response:
            return response.status, "" if response.ok else await response.text()
    except (TimeoutError, aiohttp.ClientError) as error:
        return 0, type(error).__name__
