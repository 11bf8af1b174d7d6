"""The coverage gates: 95 % of each package, and every branch of the pure modules. Exits 1 and says where it falls short."""

import sys

from coverage import Coverage
from coverage.results import Numbers

PACKAGES = ("relay", "simulator")
PACKAGE_GATE = 95.0
PURE = (
    "loadtests/accounts.py",
    "loadtests/day.py",
    "loadtests/sections.py",
    "loadtests/staleness.py",
    "relay/backoff.py",
    "relay/server/background.py",
    "relay/server/delivery.py",
    "relay/contract.py",
    "relay/log.py",
    "relay/text.py",
    "relay/server/alerts/planner.py",
    "relay/server/settings.py",
    "relay/server/alerts/settlement.py",
    "relay/server/live_activities/push.py",
    "relay/server/live_activities/life.py",
    "relay/server/live_activities/updates.py",
    "relay/server/live_activities/record.py",
    "relay/server/live_activities/settlement.py",
    "relay/server/live_activities/throttle.py",
    "relay/apns/environments.py",
    "relay/apns/http2/flow.py",
    "relay/apns/http2/frames.py",
    "relay/apns/http2/header_block.py",
    "relay/apns/http2/protocol.py",
    "relay/apns/http2/response.py",
    "relay/apns/key_pause.py",
    "relay/apns/payload.py",
    "relay/apns/provider_token.py",
    "relay/apns/push.py",
    "relay/apns/reasons.py",
    "relay/bridge/address.py",
    "relay/bridge/http/replies.py",
    "relay/bridge/keyed.py",
    "relay/bridge/notify/mapping.py",
    "relay/bridge/notify/outbox.py",
    "relay/bridge/notify/source.py",
    "relay/bridge/notify/text.py",
    "relay/bridge/notify/throttle.py",
    "relay/bridge/options.py",
    "relay/bridge/sources/opencode1/catch_up.py",
    "relay/bridge/sources/opencode1/fold.py",
    "relay/bridge/sources/opencode1/runs.py",
    "relay/bridge/sources/opencode1/session.py",
    "relay/bridge/sources/opencode1/wire.py",
    "relay/bridge/sources/opencode1/wording.py",
    "relay/bridge/state_file.py",
    "relay/doctor/finding.py",
    "simulator/replay/expectations.py",
    "simulator/lab/guide.py",
    "simulator/replay/report.py",
    "simulator/apns/channels/checks.py",
    "simulator/apns/channels/registry.py",
    "simulator/apns/authentication.py",
    "simulator/apns/channels/endpoint.py",
    "simulator/apns/checks.py",
    "simulator/apns/delivery/service.py",
    "simulator/apns/endpoints.py",
    "simulator/apns/messages.py",
    "simulator/apns/http2/header_block.py",
    "simulator/apns/http2/policy.py",
    "simulator/apns/http2/streams.py",
    "simulator/apns/http2/connection.py",
    "simulator/apns/http2/frames.py",
    "simulator/apns/delivery/mailbox.py",
    "simulator/apns/profile.py",
    "simulator/apns/reasons.py",
    "simulator/apns/registry.py",
    "simulator/lab/feed.py",
    "simulator/opencode/scheduler.py",
    "simulator/opencode/v1/failures.py",
    "simulator/opencode/v1/shapes.py",
    "simulator/opencode/v1/api.py",
    "simulator/opencode/v1/scene.py",
    "simulator/opencode/script.py",
    "simulator/opencode/v1/state.py",
    "simulator/opencode/v1/toolbox.py",
    "simulator/opencode/v1/tools.py",
    "simulator/opencode/v1/turn.py",
    "simulator/phone/live_activities.py",
    "simulator/phone/app/content_state.py",
    "simulator/phone/notifications.py",
    "simulator/phone/profile.py",
    "simulator/phone/app/monitored_session.py",
    "simulator/phone/screen.py",
    "simulator/apns/faults/document.py",
    "simulator/apns/faults/rule.py",
    "simulator/apns/faults/table.py",
    "simulator/phone/activitykit/activities.py",
    "simulator/phone/activitykit/activity.py",
    "simulator/phone/activitykit/due.py",
    "simulator/phone/activitykit/payload.py",
    "simulator/phone/activitykit/refusals.py",
)


def main() -> int:
    """Print the coverage of each package and every shortfall; 1 if there is one."""
    coverage = Coverage()
    coverage.load()
    measured = {name: coverage._analyze(name).numbers for name in coverage.get_data().measured_files()}
    faults = [fault for package in PACKAGES if (fault := _package_fault(package, measured))]
    faults += [fault for path in PURE if (fault := _pure_fault(path, measured))]
    for fault in faults:
        print(f"coverage: {fault}", file=sys.stderr)
    return 1 if faults else 0


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
