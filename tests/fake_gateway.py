"""A gateway whose answers the test chooses."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from outcomes import answered
from relay.apns.push import Outcome, Push

Answer = Outcome | Exception | Callable[[Push], Outcome]


class FakeGateway:
    """Answers with `answers` in turn, then with 200. While `gate` is cleared, pushes stay in flight."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.sent: list[Push] = []  # every try, in the order in which they began
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = False

    async def send(self, push: Push) -> Outcome:
        self.sent.append(push)
        answer = self.answers.pop(0) if self.answers else answered(200)
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        outcome = answer(push) if callable(answer) else answer
        return replace(outcome, apns_env=push.apns_env)

    async def close(self, grace: float) -> None:
        self.closed = True
