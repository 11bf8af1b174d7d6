"""The doctor at work: each finding is told as soon as it is known, or all of them at the end."""

import asyncio
from typing import TextIO

from relay.doctor.case import Case
from relay.doctor.chain import walk
from relay.doctor.finding import Finding, finding_line, holds, report


async def doctor(case: Case, *, stop: asyncio.Event, out: TextIO, as_json: bool = False) -> int:
    """The exit status: 0 if nothing fails, 1 if something does, or if `stop` was set before the last step."""
    findings: list[Finding] = []
    telling = asyncio.create_task(_tell(case, findings, None if as_json else out), name="doctor")
    stopping = asyncio.create_task(stop.wait(), name="doctor-stop")
    try:
        await asyncio.wait({telling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            return 1
        telling.result()
    finally:
        telling.cancel()
        stopping.cancel()
        await asyncio.gather(telling, stopping, return_exceptions=True)
    if as_json:
        print(report(findings), file=out)
    return 0 if holds(findings) else 1


async def _tell(case: Case, findings: list[Finding], out: TextIO | None) -> None:
    async for finding in walk(case):
        findings.append(finding)
        if out:
            print(finding_line(finding), file=out, flush=True)
