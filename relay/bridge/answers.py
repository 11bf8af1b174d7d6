"""Answers from phones: fetched from the relay while requests wait, judged, given to OpenCode, and acknowledged. At most once each."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from random import random as system_random
from typing import TypeVar

import aiohttp

from relay import contract
from relay.answers import LONGEST_WAIT, Acknowledge, Answers, FetchAnswers, FetchedAnswer, Outcome
from relay.backoff import Backoff
from relay.bridge.client import MAX_REPLY, read_at_most
from relay.bridge.errors import NotFound, OpenCodeError
from relay.bridge.failures import in_words
from relay.bridge.notify.open_requests import OpenRequests
from relay.bridge.notify.relay_client import relay_proxy, through
from relay.bridge.notify.source import Source
from relay.contract import Message, Ok
from relay.log import line

log = logging.getLogger("relay.bridge.answers")

T = TypeVar("T", bound=Message)

AWAY = Backoff()
GRACE_SECONDS = 30.0
"""So long after the start an answer to an unknown request is left alone: OpenCode may not have said yet what waits."""
LINGER_SECONDS = 60.0
"""So long after the last request is over, and after the start, answers are still fetched: what was taken must get its outcome."""
AGAIN_SECONDS = 1.0
MARGIN_SECONDS = 10.0
"""For the way, beside what the relay waits."""


class _NotAnswered(Exception):
    """The relay did not answer as a relay does; the text says how. `old`: it has no such route."""

    def __init__(self, why: str, *, old: bool = False) -> None:
        super().__init__(why)
        self.old = old


class AnswerLoop:
    """`source` gives the server that is followed now. `said(request_id, decision)` is called before OpenCode is told."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        relay_url: str,
        secret: str,
        requests: OpenRequests,
        source: Callable[[], Source | None],
        said: Callable[[str, str], None],
        *,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._http, self._url, self._secret = http, contract.normal_relay_url(relay_url), secret
        self._proxy = relay_proxy(relay_url, environment)
        self._requests, self._source, self._said = requests, source, said
        self._clock, self._monotonic = clock, monotonic
        self._asked = asyncio.Event()
        self._outcomes: dict[str, Outcome] = {}
        self._waited_at = 0.0

    def asked(self) -> None:
        """A request waits from now on."""
        self._asked.set()

    @property
    def waits(self) -> bool:
        """Whether answers are fetched."""
        return self._asked.is_set()

    async def run(self) -> None:
        """Until cancelled; or until the relay says that it knows no answers."""
        began, failures = self._monotonic(), 0
        self._waited_at = began
        self._asked.set()
        while True:
            await self._asked.wait()
            try:
                await self._round(self._monotonic() - began)
                failures = 0
            except _NotAnswered as error:
                if error.old:
                    log.info(line("no answers", url=self._url, reason=error))
                    return
                failures += 1
                delay = AWAY.delay(failures, system_random)
                log.info(line("answers wait", url=self._url, reason=error, retry_in=delay))
                await self._sleep(delay)

    async def _round(self, running: float) -> None:
        if self._requests.any_waits:
            self._waited_at = self._monotonic()
        elif self._monotonic() - self._waited_at > LINGER_SECONDS:
            self._asked.clear()
            return
        fetched = await self._post(
            "/v1/answers", FetchAnswers(secret=self._secret, wait=LONGEST_WAIT), Answers
        )
        waits = False
        for answer in fetched.answers:
            outcome = await self._apply(answer, running)
            waits = waits or outcome is None
            if outcome is not None:
                await self._acknowledge(answer.request_id, outcome)
        if waits:
            await self._sleep(AGAIN_SECONDS)  # the relay gives the same ones again

    async def _apply(self, answer: FetchedAnswer, running: float) -> Outcome | None:
        """What became of it; None: nothing yet. An outcome that could not be acknowledged is not made again."""
        if answer.request_id in self._outcomes:
            return self._outcomes[answer.request_id]
        outcome = self._requests.judge(answer, self._clock())
        if outcome == "gone" and answer.expires_at > self._clock() and running < GRACE_SECONDS:
            return None
        if outcome is None:
            outcome = await self._decide(answer)
        if outcome is not None:
            self._outcomes[answer.request_id] = outcome
            log.info(line("answer", requestID=answer.request_id, outcome=outcome, by=answer.by))
        return outcome

    async def _decide(self, answer: FetchedAnswer) -> Outcome | None:
        request, source = self._requests.find(answer.request_id), self._source()
        assert request, "judged"
        assert answer.decision, "judged"
        if source is None:
            return None
        self._said(answer.request_id, answer.decision)
        try:
            await source.decide(request.session_id, request.request_id, answer.decision)
        except NotFound:
            return "gone"
        except OpenCodeError as error:
            log.warning(line("answer not given", requestID=answer.request_id, reason=error))
            return None
        return "applied"

    async def _acknowledge(self, request_id: str, outcome: Outcome) -> None:
        body = Acknowledge(secret=self._secret, request_id=request_id, outcome=outcome)
        await self._post("/v1/answers/ack", body, Ok)
        self._outcomes.pop(request_id, None)

    async def _post(self, path: str, body: Message, kind: type[T]) -> T:
        url = self._url + path
        way = through(self._proxy, url, {"Content-Type": "application/json"})
        timeout = aiohttp.ClientTimeout(total=LONGEST_WAIT + MARGIN_SECONDS)
        try:
            async with self._http.post(
                url, data=contract.encode(body), timeout=timeout, allow_redirects=False, **way
            ) as response:
                octets = await read_at_most(response, MAX_REPLY)
        except TimeoutError:
            raise _NotAnswered("it is silent") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _NotAnswered(in_words(error)) from None
        if response.status != 200:
            raise _NotAnswered(f"it answers {response.status}", old=response.status in (404, 405))
        try:
            return contract.decode(octets, kind)
        except contract.ContractError as error:
            raise _NotAnswered(f"what answers there is no relay: {error}") from None
