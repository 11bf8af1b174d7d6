"""A pytest plugin: the fixtures `apns` and `apns_server`, an APNs sandbox for tests of whatever sends pushes.

    def test_it_rings(apns):
        notify(apns.device.token, "Build done")          # the code under test, pointed at apns.host, apns.port and apns.ca_file
        assert apns.wait_for_push().aps["alert"] == "Build done"

pytest loads this module wherever the package is installed, so it imports nothing of the sandbox before a test asks for it. The sandbox runs
in a thread with an event loop of its own: tests may be plain functions or coroutines of any plugin, in any number of xdist's workers.
"""

import sys
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.lab import ApnsSandbox, Push

SHOWN = 20
"""The newest pushes that a failed test's report lists."""
_SERVERS = pytest.StashKey["list[ApnsSandbox]"]()
"""The sandboxes that are up, in a session's configuration."""
_OF_SESSION = pytest.StashKey["ApnsSandbox"]()
"""That of `apns_server`, once a test has asked for it."""


def pytest_configure(config: pytest.Config) -> None:
    """No test has asked for a sandbox yet."""
    config.stash[_SERVERS] = []
    config.addinivalue_line(
        "markers",
        "apns(**options): what this test's `apns` is like, as options of simulator.lab.ApnsSandbox: apns(clock='virtual')",
    )


@pytest.fixture(scope="session")
def apns_options() -> dict[str, Any]:
    """Options of simulator.lab.ApnsSandbox for both fixtures. Override it: `return {"bundle_id": "com.mine.app"}`."""
    return {}


@pytest.fixture
def apns(request: pytest.FixtureRequest, apns_options: dict[str, Any]) -> "Iterator[ApnsSandbox]":
    """An APNs sandbox of this test alone, on free ports. The marker `apns` gives it further options."""
    marker = request.node.get_closest_marker("apns")
    yield from _running(request.config, apns_options | (marker.kwargs if marker else {}))


@pytest.fixture(scope="session")
def apns_server(request: pytest.FixtureRequest, apns_options: dict[str, Any]) -> "Iterator[ApnsSandbox]":
    """One APNs sandbox for all tests, for a provider that is started once; before each test it is reset."""
    for server in _running(request.config, apns_options):
        request.config.stash[_OF_SESSION] = server
        yield server
        del request.config.stash[_OF_SESSION]


def _running(config: pytest.Config, options: dict[str, Any]) -> "Iterator[ApnsSandbox]":
    from simulator.lab import ApnsSandbox

    up = config.stash[_SERVERS]
    with ApnsSandbox(**options) as sandbox:
        up.append(sandbox)
        yield sandbox
        up.remove(sandbox)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test finds the session's sandbox as it was at the start."""
    server = item.config.stash.get(_OF_SESSION, None)
    if server is not None:
        server.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report lists what was pushed."""
    report = yield
    if report.when == "call" and report.failed:
        for sandbox in item.config.stash.get(_SERVERS, []):
            report.sections.append(("pushes to the APNs sandbox", _listed(sandbox.sent)))
    return report


def _listed(pushes: "tuple[Push, ...]") -> str:
    older = len(pushes) - SHOWN
    lines = [f"({older} older ones)"] if older > 0 else []
    return "\n".join([*lines, *map(repr, pushes[-SHOWN:])]) or "none"


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """What differs between two pushes, or two lists of pushes, field by field."""
    lab = sys.modules.get("simulator.lab.sent")
    if lab is None or op != "==":
        return None
    if isinstance(left, lab.Push) and isinstance(right, lab.Push):
        return [f"{left!r} == {right!r}", *lab.differences(left, right)]
    if not isinstance(left, list | tuple) or not isinstance(right, list | tuple):
        return None
    return _of_lists(left, right) if any(isinstance(one, lab.Push) for one in (*left, *right)) else None


def _of_lists(left: Sequence[object], right: Sequence[object]) -> list[str]:
    """Both lists, a line for each push; then what differs between those at one place."""
    lines = [f"{len(left)} == {len(right)} pushes"]
    for name, pushes in (("left", left), ("right", right)):
        lines += [f"{name}:", *(f"  {one!r}" for one in pushes)] if pushes else [f"{name}: none"]
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            lines.append(f"at {place}:")
            lines += [f"  {line}" for line in _of_two(one, other)]
    return lines


def _of_two(one: object, other: object) -> list[str]:
    from simulator.lab.sent import Push, differences

    if isinstance(one, Push) and isinstance(other, Push):
        return differences(one, other)
    return [f"{one!r} != {other!r}"]
