"""Requests that wait for a person: remembered as they ring, answered once, and fetched by the bridge, which waits for answers here."""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec

from relay.answers import (
    Acknowledge,
    Answer,
    AnswerRefusal,
    AnswerTaken,
    FetchedAnswer,
    RequestState,
    nonce_hash,
    without_secret,
)
from relay.clock import Clock
from relay.contract import Event, Refusal
from relay.log import line
from relay.server.store import requests
from relay.server.store.sql import Database, Unavailable

log = logging.getLogger("relay.server.answers")

SEARCH_SECONDS = 1.0
"""Between two looks into the table for answers that another relay took."""

UNKNOWN = Refusal(error="No such request waits for an answer under this secret", code="unknown_request")
WORDS: dict[RequestState, str] = {
    "answered": "It was answered already",
    "withdrawn": "Nobody waits for an answer any more",
    "expired": "The answer comes too late",
    "closed": "It takes no answer any more: too many came that were not right",
}


# What is said to an answer that was not taken. Pure.


def refusal_of(row: dict[str, Any] | None, answer: Answer) -> AnswerTaken | tuple[Refusal, int]:
    """Why a request did not take an answer. The same answer again is taken: its first reply may have been lost."""
    if row is None or row["nonce_hash"] != nonce_hash(answer.nonce):
        return UNKNOWN, 404
    if row["answer"] is not None and row["answer"].encode() == without_secret(
        answer, int(row["expires_at"]) // 1000
    ):
        return AnswerTaken()
    state: RequestState = row["state"]
    if state == "pending":
        # It waited when the row was read: its time was over a moment before.
        state = "expired"
    return AnswerRefusal(error=WORDS[state], code=f"request_{state}", state=state, by=row["answered_by"]), 409


class PendingRequests:
    """One relay's part in it; the table is shared with all others."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._searching: asyncio.Task[None] | None = None
        self._closed = False

    # What events say of requests.

    async def note(self, event: Event, secret_hash: str) -> Event:
        """Remember what an event asks, and that others are over. Returns the event, without a request that nobody can answer."""
        if event.withdraws:
            await requests.withdraw(self._db, secret_hash, event.withdraws)
        request = event.request
        if request is None:
            return event
        now_ms = self._now_ms()
        if await requests.pending(self._db, secret_hash, now_ms=now_ms) >= requests.MOST_PENDING:
            log.warning(line("too many requests", sessionID=event.session_id, pending=requests.MOST_PENDING))
            return msgspec.structs.replace(event, request=None)
        await requests.keep(
            self._db, request, secret_hash=secret_hash, session_id=event.session_id, now_ms=now_ms
        )
        return event

    # What phones say.

    async def answer(self, answer: Answer, secret_hash: str) -> AnswerTaken | tuple[Refusal, int]:
        """Take it for the bridge, or say why not. The steps are the same whether or not there is such a request."""
        row = await requests.find(self._db, secret_hash, answer.request_id)
        taken = await requests.answer(
            self._db,
            answer,
            secret_hash=secret_hash,
            expires_at_ms=int(row["expires_at"]) if row else 0,
            now_ms=self._now_ms(),
        )
        if taken:
            log.info(line("answered", requestID=answer.request_id))
            self._wake(secret_hash)
            return AnswerTaken()
        said = refusal_of(await requests.find(self._db, secret_hash, answer.request_id), answer)
        if isinstance(said, tuple) and said[1] == 404:
            await requests.note_wrong_nonce(self._db, secret_hash, answer.request_id)
        return said

    # What the bridge asks.

    async def fetch(self, secret_hash: str, wait: float) -> list[FetchedAnswer]:
        """The answers that were not acknowledged, as soon as there is one; after `wait` seconds none."""
        came = asyncio.Event()
        self._waiting.setdefault(secret_hash, set()).add(came)
        try:
            found = await requests.unacknowledged(self._db, secret_hash)
            if found or wait <= 0 or self._closed:
                return found
            self._search()
            await self._until(came, wait)
            return await requests.unacknowledged(self._db, secret_hash)
        finally:
            waiting = self._waiting[secret_hash]
            waiting.discard(came)
            if not waiting:
                del self._waiting[secret_hash]

    async def acknowledge(self, body: Acknowledge, secret_hash: str) -> None:
        """The bridge is through with an answer."""
        await requests.acknowledge(self._db, secret_hash, body.request_id, body.outcome)
        log.info(line("acknowledged", requestID=body.request_id, outcome=body.outcome))

    async def sweep(self) -> None:
        """Forget what is long over."""
        await requests.sweep(self._db, now_ms=self._now_ms())

    async def close(self) -> None:
        """Whoever waits gets what there is."""
        self._closed = True
        for secret_hash in tuple(self._waiting):
            self._wake(secret_hash)
        if self._searching:
            self._searching.cancel()
            await asyncio.gather(self._searching, return_exceptions=True)

    async def _until(self, came: asyncio.Event, wait: float) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(wait))
        coming = asyncio.create_task(came.wait(), name="answer-wait")
        try:
            await asyncio.wait({sleeping, coming}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, coming):
                task.cancel()
            await asyncio.gather(sleeping, coming, return_exceptions=True)

    def _wake(self, secret_hash: str) -> None:
        for came in self._waiting.get(secret_hash, ()):
            came.set()

    def _search(self) -> None:
        """One task looks into the table for all who wait here."""
        if self._searching is None or self._searching.done():
            self._searching = asyncio.create_task(self._search_while_somebody_waits(), name="answer-look")

    async def _search_while_somebody_waits(self) -> None:
        while self._waiting:
            await self._clock.sleep(SEARCH_SECONDS)
            with contextlib.suppress(Unavailable):
                for secret_hash in await requests.with_answers(self._db, tuple(self._waiting)):
                    self._wake(secret_hash)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)
