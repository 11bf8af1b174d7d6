"""What the tests of `relay doctor` share: its findings by step, and a server that answers as a test wants."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from relay.doctor.command import walk
from relay.doctor.finding import STEPS, Case, Finding

SECRET = "s3cret-s3cret-s3cret"
NOWHERE = "http://127.0.0.1:9"
NOW = 1_795_000_000.0

Build = Callable[..., dict[str, str]]


async def examined(case: Case) -> dict[str, Finding]:
    findings = [finding async for finding in walk(case)]
    assert tuple(finding.step for finding in findings) == STEPS
    return {finding.step: finding for finding in findings}


def results(found: dict[str, Finding]) -> dict[str, str]:
    return {step: finding.result for step, finding in found.items()}


@asynccontextmanager
async def server(answer: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
    """The URL of one that answers every GET like this."""

    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", handle)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
