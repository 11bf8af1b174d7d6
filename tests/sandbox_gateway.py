"""The relay's way to a sandbox without sockets: the same request, checked and delivered by the same code."""

import asyncio
from collections import deque
from dataclasses import replace
from typing import Literal

from outcomes import answered, maybe_sent, not_sent
from relay.apns.gateway import ProviderToken
from relay.apns.push import Outcome, Push
from relay.clock import sleep_unless
from simulator.apns.authentication import ProviderState
from simulator.apns.messages import Request
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock

Fault = Literal["answer lost", "push lost", "not sent", "500", "slow"]

OUTCOMES: dict[Fault, Outcome] = {
    "answer lost": maybe_sent("the answer was lost"),
    "push lost": maybe_sent("the push was lost"),
    "not sent": not_sent("no connection"),
    "500": answered(500, "InternalServerError"),
    "slow": maybe_sent("no answer in time"),
}
NEVER_ARRIVE = ("push lost", "not sent", "500")
DEADLINE = 10.0


class SandboxGateway:
    """Sends to `sandbox`. Each entry of `faults` befalls one push; a slow one is answered when `release` is called.

    `asked` is when, by the time that only passes, which push was sent, and what the sandbox said; None if it never arrived.
    """

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self._sandbox, self._clock = sandbox, clock
        self._hosts = sandbox.hosts
        key = sandbox.issue_key()
        self._token = ProviderToken(private_key=key.private_key, key_id=key.key_id, team_id=key.team_id)
        self._provider = ProviderState()
        self._released = asyncio.Event()
        self.faults: deque[Fault] = deque()
        self.held = 0  # pushes whose answer is slow
        self.asked: list[tuple[float, Push, Outcome | None]] = []

    async def send(self, push: Push) -> Outcome:
        fault = self.faults.popleft() if self.faults else None
        at = self._clock.monotonic()
        answer = None if fault in NEVER_ARRIVE else self._hand_in(push)
        self.asked.append((at, push, answer))
        if fault == "slow":
            self.held += 1
            try:
                await sleep_unless(self._clock, DEADLINE, self._released)
            finally:
                self.held -= 1
        in_time = self._clock.monotonic() < at + DEADLINE
        if answer and in_time and fault in (None, "slow"):
            return answer
        return replace(OUTCOMES[fault or "slow"], apns_env=push.apns_env)

    def release(self) -> None:
        self._released.set()

    async def close(self, grace: float) -> None:
        self.release()

    def _hand_in(self, push: Push) -> Outcome:
        headers = {
            "authorization": self._token.authorization(self._clock.now()),
            "apns-id": push.apns_id,
            "apns-topic": push.topic,
            "apns-push-type": push.push_type,
            "apns-priority": str(push.priority),
            "apns-expiration": str(push.expiration),
        }
        headers |= {"apns-collapse-id": push.collapse_id} if push.collapse_id else {}
        path = f"/3/device/{push.device_token}"
        request = Request(
            "POST", path, push.device_token, headers, frozenset(), push.payload, len(push.payload)
        )
        answer = self._hosts[push.apns_env].handle(request, self._provider).response
        assert answer is not None
        return answered(answer.status, answer.reason, answer.timestamp, push.apns_env)
