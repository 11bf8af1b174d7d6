"""The coverage gates: 99 % of each package, and every branch of the pure modules. Exits 1 and says where it falls short."""

import sys
from pathlib import Path

from coverage import Coverage
from coverage.results import Numbers

ROOT = Path(__file__).parents[1]
PACKAGES = ("relay", "simulator")
PACKAGE_GATE = 99.0
PURE: dict[str, str] = {
    "relay/*.py": "__main__ clock http_errors http_routes output",
    "relay/apns/*.py": "aioapns_gateway",
    "relay/apns/http2/*.py": "connection connector pool",
    "relay/bridge/*.py": "answers errors lookout pair relay_watch run",
    "relay/bridge/http/*.py": "app",
    "relay/bridge/notify/*.py": "notifier relay_client",
    "relay/bridge/sources/*.py": "discovery folded_source event_stream http resync serve",
    "relay/bridge/sources/opencode1/*.py": "client resync source",
    "relay/bridge/sources/opencode2/*.py": "client resync source",
    "relay/server/*.py": "answers app engine intake listener log_command phones serve systemd",
    "relay/server/admin/*.py": "pages reading",
    "relay/server/live_activities/*.py": "registration sender",
    "simulator/apns/*.py": "certificates errors hosts sandbox",
    "simulator/apns/channels/*.py": "",
    "simulator/apns/delivery/*.py": "device",
    "simulator/apns/faults/*.py": "",
    "simulator/apns/http2/*.py": "listener server sink",
    "simulator/phone/*.py": "device phone settings",
    "simulator/phone/activitykit/*.py": "",
    "loadtests/accounts.py": "",
    "loadtests/day.py": "",
    "loadtests/sections.py": "",
    "loadtests/staleness.py": "",
    "relay/doctor/finding.py": "",
    "simulator/lab/guide.py": "",
    "simulator/lab/feed.py": "",
    "simulator/lab/lines.py": "",
    "simulator/lab/pushes.py": "",
    "simulator/lab/why.py": "",
    "simulator/push/message.py": "",
    "simulator/opencode/scheduler.py": "",
    "simulator/opencode/script.py": "",
    "simulator/opencode/v1/failures.py": "",
    "simulator/opencode/v1/shapes.py": "",
    "simulator/opencode/v1/api.py": "",
    "simulator/opencode/v1/scene.py": "",
    "simulator/opencode/v1/state.py": "",
    "simulator/opencode/v1/toolbox.py": "",
    "simulator/opencode/v1/tools.py": "",
    "simulator/opencode/v1/turn.py": "",
    "simulator/opencode/v2/conduct.py": "",
    "simulator/opencode/v2/document.py": "",
    "simulator/opencode/v2/forms.py": "",
    "simulator/opencode/v2/messages.py": "",
    "simulator/opencode/v2/noise.py": "",
    "simulator/opencode/v2/paging.py": "",
    "simulator/opencode/v2/requests.py": "",
    "simulator/opencode/v2/rules.py": "",
    "simulator/opencode/v2/service.py": "",
    "simulator/opencode/v2/sessions.py": "",
    "simulator/opencode/v2/shapes.py": "",
    "simulator/opencode/v2/state.py": "",
    "simulator/opencode/v2/wire.py": "",
    "simulator/opencode/v2/failures.py": "",
    "simulator/opencode/v2/scene.py": "",
    "simulator/opencode/v2/toolbox.py": "",
    "simulator/opencode/v2/tools.py": "",
    "simulator/opencode/v2/turn.py": "",
    "simulator/opencode/shell_command.py": "",
    "simulator/phone/app/content_state.py": "",
    "simulator/phone/app/monitored_session.py": "",
    "simulator/replay/expectations.py": "",
    "simulator/replay/report.py": "",
    "simulator/replay/view.py": "",
    "simulator/usage.py": "",
    "simulator/words.py": "",
}
"""Files that decide and do nothing else, by folder, with those in the folder that do I/O; a new file counts as pure."""


def main() -> int:
    """Print the coverage of each package and every shortfall; 1 if there is one."""
    coverage = Coverage()
    coverage.load()
    files = [name for name in coverage.get_data().measured_files() if name.endswith(".py")]  # not templates
    measured = {name: coverage._analyze(name).numbers for name in files}
    faults = [fault for package in PACKAGES if (fault := _package_fault(package, measured))]
    pure, absent = pure_files(PURE)
    faults += absent
    faults += [fault for path in pure if (fault := _pure_fault(path, measured))]
    for fault in faults:
        print(f"coverage: {fault}", file=sys.stderr)
    return 1 if faults else 0


def pure_files(rooms: dict[str, str]) -> tuple[list[str], list[str]]:
    """The pure files, and what is wrong with the table: a pattern or an exception that matches no file."""
    pure: list[str] = []
    absent: list[str] = []
    for pattern, exceptions in rooms.items():
        found = {path.stem: str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(pattern))}
        found.pop("__init__", None)
        absent += [] if found else [f"no file is {pattern}"]
        absent += [f"{name}.py is not in {pattern}" for name in exceptions.split() if name not in found]
        pure += [path for name, path in found.items() if name not in exceptions.split()]
    return pure, absent


def _package_fault(package: str, measured: dict[str, Numbers]) -> str | None:
    total = sum((numbers for name, numbers in measured.items() if f"/{package}/" in name), Numbers())
    print(
        f"coverage of {package}: {total.pc_covered:.1f} % of {total.n_statements} statements and {total.n_branches} branches"
    )
    if total.pc_covered >= PACKAGE_GATE:
        return None
    return f"{package} is covered {total.pc_covered:.1f} %, at least {PACKAGE_GATE:.0f} % is wanted"


def _pure_fault(path: str, measured: dict[str, Numbers]) -> str | None:
    numbers = next((numbers for name, numbers in measured.items() if name.endswith(f"/{path}")), None)
    if numbers is None:
        return f"{path} was never run"
    if numbers.pc_covered < 100:
        return f"{path} is pure and covered {numbers.pc_covered:.1f} %, 100 % with branches is wanted"
    return None


if __name__ == "__main__":
    sys.exit(main())
