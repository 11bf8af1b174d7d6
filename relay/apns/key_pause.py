"""A gateway that stops asking while APNs refuses the relay's key: no storm of refused pushes, and none is lost.

Apple, "Handling notification responses from APNs": InvalidProviderToken and its kin concern every push (documented);
that a sender pauses is our choice.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from relay.apns.gateway import Gateway
from relay.apns.push import Outcome, Push, not_sent
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.log import line

log = logging.getLogger("relay.apns")

LONGEST_PAUSE = 900.0
"""Seconds; the first pause is the reason's own, and each next one twice as long."""

_REFUSALS = frozenset({Verdict.KEY_REFUSED, Verdict.NEW_PROVIDER_TOKEN})


@dataclass(slots=True)
class _Pause:
    """One environment's pause. `probing`: one push is on its way to see whether it is over."""

    reason: str
    until: float
    seconds: float
    probing: bool = False


class KeyPause:
    """Sends through `gateway`. After a refusal of the key all pushes of that environment wait; one tries when it is over."""

    def __init__(self, gateway: Gateway, now: Callable[[], float]) -> None:
        self._gateway, self._now = gateway, now
        self._pauses: dict[ApnsEnv, _Pause] = {}

    async def send(self, push: Push) -> Outcome:
        """What became of the push; not sent, with the time left while the environment pauses."""
        pause = self._pauses.get(push.apns_env)
        if pause is None:
            return self._seen(push, await self._gateway.send(push))
        if pause.probing or self._now() < pause.until:
            error = f"paused, APNs refuses the key: {pause.reason}"
            return not_sent(push.apns_env, error, max(1.0, pause.until - self._now()))
        pause.probing = True
        try:
            return self._seen(push, await self._gateway.send(push))
        finally:
            pause.probing = False

    async def close(self, grace: float) -> None:
        """Close the gateway."""
        await self._gateway.close(grace)

    def _seen(self, push: Push, outcome: Outcome) -> Outcome:
        if outcome.verdict in _REFUSALS:
            self._begin(push.apns_env, outcome)
        elif push.apns_env in self._pauses and outcome.verdict is not Verdict.RETRY_LATER:
            del self._pauses[push.apns_env]
            log.info(line("sending again", apnsEnv=push.apns_env))
        return outcome

    def _begin(self, env: ApnsEnv, refused: Outcome) -> None:
        """One line for the operator for each pause, however many pushes were refused at once."""
        last = self._pauses.get(env)
        if last is not None and not last.probing:
            return
        first, reason = refused.retry_after or LONGEST_PAUSE, refused.reason or ""
        seconds = min(last.seconds * 2, max(first, LONGEST_PAUSE)) if last else first
        self._pauses[env] = _Pause(reason, self._now() + seconds, seconds)
        log.error(
            line("sending paused", apnsEnv=env, reason=reason, seconds=int(seconds), advice=refused.advice)
        )
