"""What the routes of answers do: POST /v1/answer for phones, /v1/answers and /v1/answers/ack for the bridge."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from quart import request

from relay import answers as wire
from relay import contract
from relay.answers import Acknowledge, Answer, Answers, AnswerTaken, FetchAnswers
from relay.contract import ContractError, Ok, Refusal
from relay.http_errors import REFUSALS
from relay.http_routes import Handler
from relay.openapi import Route
from relay.server.admission import Admission
from relay.server.answers import PendingRequests
from relay.server.background import BackgroundTasks
from relay.server.routes import table

T = TypeVar("T")


class AnswerRoutes:
    """The handlers of these routes. What they write is written even if the caller hangs up."""

    def __init__(self, requests: PendingRequests, admission: Admission, background: BackgroundTasks) -> None:
        self._requests, self._admission, self._background = requests, admission, background

    @property
    def handlers(self) -> dict[Route, Handler | None]:
        """By route."""
        return {
            table.ANSWER: self.answer,
            table.FETCH_ANSWERS: self.fetch,
            table.ACKNOWLEDGE_ANSWER: self.acknowledge,
        }

    async def answer(self, body: Answer) -> tuple[AnswerTaken | Refusal, int]:
        """Taken for the bridge, or why it is not."""
        if len(await request.get_data()) > wire.MAX_ANSWER:
            return REFUSALS[413], 413
        if not wire.says_one_thing(body):
            raise ContractError("one of decision, answers, text and enc must be given, and only one")
        said = await self._admitted(body.secret, lambda key: self._requests.answer(body, key))
        return said if isinstance(said, tuple) else (said, 202)

    async def fetch(self, body: FetchAnswers) -> Answers | tuple[Refusal, int]:
        """The answers; whoever waits for one does so here, and no statement of the database with him."""
        secret_hash = contract.secret_hash(body.secret)
        if refusal := await self._background.run(self._admission.refusal(secret_hash)):
            return refusal, 403
        return Answers(answers=await self._requests.fetch(secret_hash, body.wait))

    async def acknowledge(self, body: Acknowledge) -> Ok | tuple[Refusal, int]:
        """The bridge is through with an answer."""
        said = await self._admitted(body.secret, lambda key: self._requests.acknowledge(body, key))
        return said if isinstance(said, tuple) else Ok()

    async def _admitted(
        self, secret: str, work: Callable[[str], Coroutine[Any, Any, T]]
    ) -> T | tuple[Refusal, int]:
        secret_hash = contract.secret_hash(secret)
        if refusal := await self._background.run(self._admission.refusal(secret_hash)):
            return refusal, 403
        return await self._background.run(work(secret_hash))
