"""APNs and phones in a process of their own, so that neither relay nor generator has to do their work.

    python -m loadtests.phones FOLDER

Reads one JSON object a line and answers each with one: first (unasked) what a relay needs to push here, then to
`{"pair": {"url", "secret", "phones"}}` when so many new phones are registered at the relay, and to `{"shown": FILE}`
when it has written into the file what the phones showed since it was asked last: lines of session id, phone, time.
"""

import asyncio
import json
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from loadtests.handset import Handset
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Entry, Journal
from simulator.phone.app.app import BUNDLE_ID
from simulator.replay.relay_environment import relay_environment

AT_ONCE: Final = 20
LINE: Final = 1 << 20


class Unwritten(Journal):
    """A journal that nobody reads."""

    def record_at(self, at: float, where: str, what: str, **_: Any) -> Entry:
        """Forget it."""
        return Entry(at, where, what)


class Phones:
    """A sandbox that checks what Apple checks, but lets pushes come as fast as they may, and phones that note alerts."""

    def __init__(self, folder: Path) -> None:
        self._clock = RealClock()
        journal = Unwritten(self._clock, size=0)
        self._sandbox = Sandbox(self._clock, journal, random=Random(7), folder=folder)
        self._sandbox.profile.set({"device_rate": None})
        self._sandbox.registry.add_app(BUNDLE_ID)
        self._phones: list[Handset] = []
        self._shown: list[tuple[str, str, float]] = []

    async def start(self) -> dict[str, str]:
        """Listen; the environment of a relay that pushes here."""
        await self._sandbox.start()
        return relay_environment(self._sandbox, self._sandbox.issue_key(), BUNDLE_ID)

    async def close(self) -> None:
        """Stop listening."""
        await self._sandbox.close()

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what a line asks for."""
        if "pair" in order:
            await self._pair(**order["pair"])
            return {"phones": len(self._phones)}
        return {"shown": self._write(Path(order["shown"]))}

    async def _pair(self, url: str, secret: str, phones: int) -> None:
        """So many new phones register at the relay."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with aiohttp.ClientSession() as http:

            async def register(phone: Handset) -> None:
                body = {"secret": secret, "deviceToken": phone.token, "bundleId": BUNDLE_ID}
                async with slots, http.post(f"{url}/v1/device/register", json=body) as response:
                    response.raise_for_status()

            await asyncio.gather(*(register(self._phone()) for _ in range(phones)))

    def _phone(self) -> Handset:
        registry = self._sandbox.registry
        token = registry.mint_token(BUNDLE_ID, "production")
        phone = Handset(f"phone-{len(self._phones) + 1}", token, BUNDLE_ID, self._clock, self._saw)
        registry.attach(token, phone)
        self._phones.append(phone)
        return phone

    def _saw(self, session: str, phone: str, at: float) -> None:
        self._shown.append((session, phone, at))

    def _write(self, path: Path) -> int:
        shown, self._shown = self._shown, []
        path.write_text("".join(f"{session} {phone} {at!r}\n" for session, phone, at in shown))
        return len(shown)


async def serve(folder: Path) -> None:
    """Obey standard input until it ends."""
    phones = Phones(folder)
    print(json.dumps(await phones.start()), flush=True)
    reader = asyncio.StreamReader(LINE)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        print(json.dumps(await phones.obey(json.loads(line))), flush=True)
    await phones.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
