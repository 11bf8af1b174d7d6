"""While the bridge runs: is the relay there, does it take the secret, has a phone been paired? Each is said once, when it changes."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from relay.backoff import Backoff
from relay.bridge.failures import SECRET_REMEDIES
from relay.bridge.notify.sealing import Sealing
from relay.bridge.relay_secret import Phones, count_phones, forget_replaced
from relay.log import line

log = logging.getLogger("relay.bridge.relay")

AWAY = Backoff()
"""Between two looks at a relay that does not answer."""
PAIRING_SECONDS, PAIRING_EVERY, LATER_EVERY = 600.0, 3.0, 60.0
"""Somebody has just seen the code and waits for the word; later nobody does."""


class RelayWatch:
    """`watch_phones`: somebody looks on and wants to know when a phone is paired. `sealing` wants to know whether all have the key.

    Without either it ends once the relay has taken the secret.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        relay_url: str,
        secret: str,
        secret_file: Path,
        *,
        sealing: Sealing,
        watch_phones: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._url, self._secret, self._file = http, relay_url, secret, secret_file
        self._sealing, self._sleep, self._clock = sealing, sleep, clock
        self._watches = watch_phones or sealing.kid is not None
        self._count: int | None = None
        self._failures = 0
        self._refused = ""

    async def run(self) -> None:
        """Until there is nothing more to watch."""
        began = self._clock()
        await forget_replaced(self._http, self._file, self._url, os.environ)
        while True:
            found = await count_phones(self._http, self._url, self._secret, os.environ, self._sealing.kid)
            self._say(found)
            if (
                found.is_up
                and not found.refused
                and not found.later
                and (found.count is None or not self._watches)
            ):
                return
            await self._sleep(self._pause(found, self._clock() - began))

    def _pause(self, found: Phones, passed: float) -> float:
        if not found.is_up:
            return AWAY.delay(self._failures, lambda: 1.0)
        if found.refused or found.later:
            return LATER_EVERY
        return PAIRING_EVERY if passed < PAIRING_SECONDS else LATER_EVERY

    def _say(self, found: Phones) -> None:
        if not found.is_up:
            self._failures += 1
            if self._failures == 1:
                log.warning(line("relay away", url=self._url, reason=found.reason))
            return
        if self._failures:
            log.info(line("relay back", url=self._url))
        self._failures = 0
        self._say_of_secret(found)
        if found.count is None:
            return
        if self._sealing.learn(found.count, found.with_key):
            what = "texts sealed" if self._sealing.seals else "texts in clear"
            log.info(line(what, count=found.count, withKey=found.with_key or 0))
        before, self._count = self._count, found.count
        if before is None:
            log.info(line("phones", count=found.count))
        elif before != found.count:
            log.info(line("paired" if found.count > before else "unpaired", count=found.count))

    def _say_of_secret(self, found: Phones) -> None:
        if found.refused and found.refused != self._refused:
            remedy = SECRET_REMEDIES[found.refused]
            log.error(line("secret refused", url=self._url, reason=found.reason, remedy=remedy))
        elif self._refused and not found.refused:
            log.info(line("secret taken", url=self._url))
        self._refused = found.refused
