"""The doctor at work: each finding is printed as soon as it is known, or all of them at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TextIO

import aiohttp

from relay.bridge.client import open_client
from relay.doctor.apns import check_apns
from relay.doctor.connections import check_opencode, check_relay, check_secret
from relay.doctor.contract import Comparison, compared
from relay.doctor.finding import Case, Finding, finding_line, holds, report
from relay.doctor.push import check_push
from relay.doctor.reach import check_bridge, check_phone
from relay.output import takes


async def doctor(case: Case, *, stop: asyncio.Event, out: TextIO, as_json: bool = False) -> int:
    """The exit status: 0 if nothing fails, 1 if something does, or if `stop` was set before the last step."""
    findings: list[Finding] = []
    if not await _until(stop, _examine(case, findings, None if as_json else out)):
        return 1
    if as_json:
        _print_json(out, lambda in_ascii: report(findings, in_ascii=in_ascii))
    return 0 if holds(findings) else 1


async def contract_drift(case: Case, *, stop: asyncio.Event, out: TextIO, as_json: bool = False) -> int:
    """The exit status: 0 if the server has all that the bridge reads, 1 if something of it is missing or changed.

    Raises BridgeError if there is no server to compare.
    """
    found: list[Comparison] = []

    async def compare() -> None:
        async with open_client() as http:
            found.append(await compared(http, case))

    if not await _until(stop, compare()):
        return 1
    (comparison,) = found
    if as_json:
        _print_json(out, comparison.as_json)
    else:
        print("\n".join(comparison.lines()), file=out)
    return 0 if comparison.ok else 1


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Whether the work came to its end before `stop` was set."""
    working = asyncio.create_task(work, name="doctor")
    stopping = asyncio.create_task(stop.wait(), name="doctor-stop")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _print_json(out: TextIO, text: Callable[[bool], str]) -> None:
    """In ASCII where the terminal has no other letters."""
    plain = text(False)
    print(plain if takes(out, plain) else text(True), file=out)


async def _examine(case: Case, findings: list[Finding], out: TextIO | None) -> None:
    async for finding in walk(case):
        findings.append(finding)
        if out:
            print(finding_line(finding), file=out, flush=True)


async def walk(case: Case) -> AsyncIterator[Finding]:
    """The steps in their order: what one needs of an earlier one that failed, it does not try.

    A finding for each, as soon as it is known. Every wait is bounded; nothing is changed but by the test push.
    """
    async with aiohttp.ClientSession() as http:
        yield await check_opencode(http, case)
        yield await check_bridge(http, case)
        answers, relay = await check_relay(http, case)
        yield relay
        secret, found = check_secret(case)
        yield found
        yield await check_phone(case)
        yield await check_apns(case)
        ready = secret if answers else None
        for finding in await check_push(http, case, ready):
            yield finding
