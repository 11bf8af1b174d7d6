"""What the tests of `relay doctor` share: its findings by step."""

import re
from collections.abc import Callable

from relay.doctor.command import walk
from relay.doctor.finding import STEPS, Case, Finding

SECRET = "s3cret-s3cret-s3cret"

NOWHERE = "http://127.0.0.1:9"

NOW = 1_795_000_000.0

Build = Callable[..., dict[str, str]]


async def examined(case: Case) -> dict[str, Finding]:
    findings = [finding async for finding in walk(case)]
    assert tuple(finding.step for finding in findings) == STEPS
    for finding in findings:
        assert finding.result != "fails" or finding.remedy, f"what to do about {finding}"
        assert not re.search(r"\w(Error|Exception)\b|\[Errno|_ssl\.c", finding.said), finding
    return {finding.step: finding for finding in findings}


def results(found: dict[str, Finding]) -> dict[str, str]:
    return {step: finding.result for step, finding in found.items()}
