"""What APNs would say of a provider token, check by check, without a push."""

from typing import Literal, NamedTuple

from simulator.apns.authentication import ProviderState
from simulator.apns.checks import CHECKS
from simulator.apns.endpoints import Environment, PushEndpoint
from simulator.apns.messages import read_request
from simulator.apns.reasons import Confidence


class CheckResult(NamedTuple):
    """One row of APNs' checks of a provider; `why` in words where it failed, and what comes after that was not reached."""

    name: str
    result: Literal["passed", "failed", "not reached"]
    reason: str
    source: str
    confidence: Confidence
    why: str | None = None


def check_provider_token(environment: Environment, token: str) -> list[CheckResult]:
    """The rows about providers that use tokens, in APNs' order, for a token that begins a new connection."""
    fields = [(":method", "POST"), (":path", "/3/device/"), ("authorization", f"bearer {token}")]
    context = PushEndpoint(environment).context(read_request(fields, b"", 0), ProviderState())
    found: list[CheckResult] = []
    failed = False
    for check in CHECKS:
        if check.stage != "provider" or check.provider == "by certificate":
            continue
        if failed:
            found.append(CheckResult(check.name, "not reached", check.reason, check.source, check.confidence))
            continue
        failed = check.fails(context)
        why = check.explained(context) if failed else None
        result: Literal["passed", "failed"] = "failed" if failed else "passed"
        found.append(CheckResult(check.name, result, check.reason, check.source, check.confidence, why))
    return found
