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

from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Entry, Journal
from simulator.lab.issuer import Issuer
from simulator.phone.app import BUNDLE_ID
from simulator.phone.phone import Phone

CLEARED_AT: Final = 50
"""Notifications on a screen: then its owner has read them all."""
AT_ONCE: Final = 20
LINE: Final = 1 << 20


class Phones:
    """A sandbox that checks what Apple checks, but lets pushes come as fast as they may, and phones that note alerts."""

    def __init__(self, folder: Path) -> None:
        self._clock = RealClock()
        self._journal = Journal(self._clock, size=1)
        self._journal.listen(self._hear)
        self._sandbox = Sandbox(self._clock, self._journal, random=Random(7), folder=folder)
        self._sandbox.profile.set({"device_rate": None})
        self._sandbox.registry.add_app(BUNDLE_ID)
        self._phones: dict[str, Phone] = {}
        self._shown: list[tuple[str, str, float]] = []

    async def start(self) -> dict[str, str]:
        """Listen; the environment of a relay that pushes here."""
        await self._sandbox.start()
        key, ports = self._sandbox.issue_key(), self._sandbox.ports
        return {
            "APNS_TEAM_ID": key.team_id,
            "APNS_KEY_ID": key.key_id,
            "APNS_PRIVATE_KEY": key.private_key,
            "APNS_DEFAULT_BUNDLE_ID": BUNDLE_ID,
            "APNS_HOST_SANDBOX": f"localhost:{ports['sandbox']}",
            "APNS_HOST_PRODUCTION": f"localhost:{ports['production']}",
            "APNS_CA_FILE": str(self._sandbox.ca_file),
        }

    async def close(self) -> None:
        """Stop listening."""
        await self._sandbox.close()

    def _hear(self, entry: Entry) -> None:
        """What the journal tells of a phone's screen; both words mean that the person was alerted."""
        if entry.where == "phone" and entry.what in ("shown", "replaced"):
            name = entry.detail["phone"]
            self._shown.append((entry.detail["sessionID"], name, entry.at))
            screen = self._phones[name].screen
            if len(screen.notifications) > CLEARED_AT:
                screen.clear()

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

            async def register(phone: Phone) -> None:
                body = {
                    "secret": secret,
                    "deviceToken": phone.device.token("production"),
                    "bundleId": BUNDLE_ID,
                }
                async with slots, http.post(f"{url}/v1/device/register", json=body) as response:
                    response.raise_for_status()

            await asyncio.gather(*(register(self._phone()) for _ in range(phones)))

    def _phone(self) -> Phone:
        issuer = Issuer(self._sandbox.registry, self._clock, BUNDLE_ID, "production")
        phone = Phone(self._clock, self._journal, issuer, name=f"phone-{len(self._phones) + 1}")
        issuer.lead_to(phone)
        self._phones[phone.name] = phone
        return phone

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
