"""Which generation of OpenCode a server is, by what it answers: a table, and the questions in its order.

Sources: anomalyco/opencode 1.18.33 and a beta of generation 2 (observed), the tests of clients of 2.0 (by hearsay). A wrong
password says nothing about the generation. Each of them answers 200 with a web page where it has no such route.
"""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Raw

from relay.bridge.errors import (
    NotFound,
    NotOpenCode,
    OpenCodeError,
    OtherGeneration,
    Refused,
    Unreachable,
    Unready,
)
from relay.bridge.sources.http import Server
from relay.bridge.sources.wire import Wire


class Health(Wire, frozen=True, kw_only=True):
    """What a route of its health says."""

    healthy: bool | None = None
    version: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """What a server is called that says this of itself at `route`; `remedy`: what to do if it cannot be read, else ""."""

    name: str
    route: str
    recognises: Callable[[Health], bool]
    remedy: str = ""


def _is_released(health: Health) -> bool:
    return (health.version or "").startswith("2.")


def _is_second(health: Health) -> bool:
    return _is_released(health) or (health.version or "").startswith("0.0.0-")  # betas are 0.0.0-next-...


def _is_first(health: Health) -> bool:
    return health.healthy is not None and not _is_second(health)


OPENCODE_1, OPENCODE_2 = "OpenCode 1", "OpenCode 2"
EARLY = "an early OpenCode 2"
UPDATE = "update it to 2.0.6 or later (opencode upgrade)"

GENERATIONS = (
    Generation(OPENCODE_2, "/api/info", _is_released),
    Generation(EARLY, "/api/info", _is_second, UPDATE),
    Generation(OPENCODE_1, "/global/health", _is_first),
    Generation(EARLY, "/api/status", _is_second, UPDATE),  # 2.0.4 and 2.0.5
    Generation(EARLY, "/api/health", _is_second, UPDATE),
)
"""In the order in which they are asked for: `/api/health` is answered by both generations."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a server is, by its own words; `pid` is None where it does not say (0 means the same)."""

    generation: Generation
    version: str
    pid: int | None = None


async def recognise(server: Server) -> Recognised:
    """The generation of a server, its version and process.

    Raises Refused and Unready at once, Unreachable if nothing answers as it should, and NotOpenCode if what answers is none
    of them.
    """
    errors: list[OpenCodeError] = []
    for generation in GENERATIONS:
        try:
            health = await server.get(generation.route, Health)
        except Refused as error:
            raise Refused(f"{error}; OpenCode 2 always wants one, and its user is opencode") from None
        except Unready as error:
            raise await _why(server, error) from None
        except (NotFound, NotOpenCode, Unreachable) as error:
            errors.append(error)
            continue
        if generation.recognises(health):
            return Recognised(generation, health.version or "unknown", health.pid or None)
    raise next((error for error in errors if isinstance(error, Unreachable)), None) or _unrecognised(
        server, errors
    )


async def _why(server: Server, error: Unready) -> OpenCodeError:
    """The same, with the reason of a failure: GET /api/info does not say it, every other route does."""
    if error.failed and "; " not in str(error):
        try:
            await server.get("/api/session/active", Raw)
        except Unready as better:
            return better
        except OpenCodeError:
            pass
    return error


def other_generation(server: Server, generation: Generation, version: str) -> OtherGeneration:
    """Why a server of this generation cannot be read, and what to do."""
    what = f"{server.url} is {generation.name} ({version}), and this bridge reads {OPENCODE_1} and 2.0.6 or later"
    return OtherGeneration(what, generation.remedy)


async def version_of(server: Server, expected: str) -> str:
    """The version of a server that is to be of this generation; raises OtherGeneration if it was updated in its place."""
    found = await recognise(server)
    if found.generation.name != expected:
        raise other_generation(server, found.generation, found.version)
    return found.version


def _unrecognised(server: Server, errors: list[OpenCodeError]) -> NotOpenCode:
    page = next((error for error in errors if isinstance(error, NotOpenCode)), None)
    said = f" ({page})" if page else ""
    return NotOpenCode(
        f"something answers at {server.url}, but not as OpenCode{said}: give the URL that `opencode serve` prints by "
        "--opencode-url"
    )
