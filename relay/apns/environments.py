"""Either environment, asked in one place: whoever sends a push need not know that a token may belong to the other one."""

import logging
from dataclasses import replace
from typing import Final

from relay.apns.gateway import Gateway
from relay.apns.push import Outcome, Push, maybe_sent
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.log import line

log = logging.getLogger("relay.apns")

OTHER: Final[dict[ApnsEnv, ApnsEnv]] = {"sandbox": "production", "production": "sandbox"}


class Environments:
    """Sends through `gateway`. No outcome has the verdict WRONG_ENVIRONMENT, and no exception comes out of it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def send(self, push: Push) -> Outcome:
        """What became of the push. If APNs says that its token is of the other environment, that one is asked, once."""
        first = await self._ask(push)
        if first.verdict is not Verdict.WRONG_ENVIRONMENT:
            return first
        other = await self._ask(replace(push, apns_env=OTHER[push.apns_env]))
        return _in_neither(first, other) if other.verdict is Verdict.WRONG_ENVIRONMENT else other

    async def close(self, grace: float) -> None:
        """Close the gateway."""
        await self._gateway.close(grace)

    async def _ask(self, push: Push) -> Outcome:
        """A gateway that breaks gets the pauses, and the end, of one that cannot reach APNs."""
        try:
            return await self._gateway.send(push)
        except Exception as error:
            log.exception(line("gateway broken", apnsID=push.apns_id))
            return maybe_sent(push.apns_env, f"the relay is at fault: {type(error).__name__}")


def _in_neither(first: Outcome, other: Outcome) -> Outcome:
    """Bad on both hosts: the token is dead. If the key is not allowed on one of them, nobody can know: keep it."""
    advice = first.advice or other.advice
    verdict = Verdict.OUR_FAULT if advice else Verdict.TOKEN_DEAD
    return replace(first, verdict=verdict, timestamp=None, advice=advice)
