"""A relay and a sandbox for each acceptance case, and the answer that the case is about."""

from collections.abc import AsyncIterator

import pytest

from component.relay_cases.cases import CASES, case_id
from relay.apns.http2 import pool
from relay_case import RelayCase, relay_case

_BOTH_SPELLINGS = {"BadEnvironmentKeyIdInToken": "BadEnvironmentKeyInToken"}


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine: a pool takes another connection only when it must."""
    monkeypatch.setattr(pool, "GROW_SECONDS", 1000.0)


@pytest.fixture
async def case(request: pytest.FixtureRequest) -> AsyncIterator[RelayCase]:
    """A relay and a sandbox; in the end the sandbox must have given the answer that the case is about."""
    async with relay_case() as running:
        yield running
    expect = CASES[case_id(request.node.name)]["expect"]
    given = {(each.status, _BOTH_SPELLINGS.get(each.reason or "", each.reason)) for each in running.arrivals}
    assert (expect["status"], expect["reason"]) in given
