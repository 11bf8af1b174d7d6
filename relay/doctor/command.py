"""The doctor at work: each finding is printed as soon as it is known, or all of them at the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import TextIO

import aiohttp

from relay.doctor.apns import check_apns
from relay.doctor.connections import check_opencode, check_relay, check_secret
from relay.doctor.finding import Case, Finding, finding_line, holds, report
from relay.doctor.push import check_push
from relay.output import takes


async def doctor(case: Case, *, stop: asyncio.Event, out: TextIO, as_json: bool = False) -> int:
    """The exit status: 0 if nothing fails, 1 if something does, or if `stop` was set before the last step."""
    findings: list[Finding] = []
    examining = asyncio.create_task(_examine(case, findings, None if as_json else out), name="doctor")
    stopping = asyncio.create_task(stop.wait(), name="doctor-stop")
    try:
        await asyncio.wait({examining, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not examining.done():
            return 1
        examining.result()
    finally:
        examining.cancel()
        stopping.cancel()
        await asyncio.gather(examining, stopping, return_exceptions=True)
    if as_json:
        text = report(findings)
        print(text if takes(out, text) else report(findings, in_ascii=True), file=out)
    return 0 if holds(findings) else 1


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
        answers, relay = await check_relay(http, case)
        yield relay
        secret, found = check_secret(case)
        yield found
        yield await check_apns(case)
        ready = secret if answers else None
        for finding in await check_push(http, case, ready):
            yield finding
