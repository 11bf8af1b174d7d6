"""The steps in their order: what one needs of an earlier one that failed, it does not try."""

from collections.abc import AsyncIterator

import aiohttp

from relay.doctor.apns import check_apns
from relay.doctor.case import Case
from relay.doctor.finding import Finding
from relay.doctor.neighbours import check_opencode, check_relay
from relay.doctor.push import check_push
from relay.doctor.secret import check_secret


async def walk(case: Case) -> AsyncIterator[Finding]:
    """A finding for each step, as soon as it is known. Every wait is bounded; nothing is changed but by the test push."""
    async with aiohttp.ClientSession() as http:
        yield await check_opencode(http, case.options)
        relay = await check_relay(http, case.options)
        yield relay
        secret, found = check_secret(case)
        yield found
        yield await check_apns(case)
        ready = secret if relay.result == "ok" else None
        for finding in await check_push(http, case, ready):
            yield finding
