"""The coverage gates: 95 % of each package, and every branch of the pure modules. Exits 1 and says where it falls short."""

import sys

from coverage import Coverage
from coverage.results import Numbers

PACKAGES = ("relay", "simulator")
PACKAGE_GATE = 95.0
PURE = (
    "loadtests/accounts.py",
    "loadtests/agent.py",
    "loadtests/day.py",
    "loadtests/diary.py",
    "loadtests/handset.py",
    "loadtests/page.py",
    "loadtests/sections.py",
    "loadtests/staleness.py",
    "loadtests/tally.py",
    "relay/batches.py",
    "relay/contract.py",
    "relay/log_output.py",
    "relay/logfmt.py",
    "relay/planner.py",
    "relay/settings.py",
    "relay/settlement.py",
    "relay/activity/delivery.py",
    "relay/activity/life.py",
    "relay/activity/news.py",
    "relay/activity/record.py",
    "relay/activity/settled.py",
    "relay/activity/throttle.py",
    "relay/activity/tokens.py",
    "relay/apns/activity_payload.py",
    "relay/apns/answer.py",
    "relay/apns/backoff.py",
    "relay/apns/flow.py",
    "relay/apns/frames.py",
    "relay/apns/header_block.py",
    "relay/apns/header_table.py",
    "relay/apns/http2.py",
    "relay/apns/idle.py",
    "relay/apns/key_pause.py",
    "relay/apns/payload.py",
    "relay/apns/provider_token.py",
    "relay/apns/push.py",
    "relay/apns/reasons.py",
    "relay/apns/request_checks.py",
    "relay/bridge/arguments.py",
    "relay/bridge/backlog.py",
    "relay/bridge/cards.py",
    "relay/bridge/catch_up.py",
    "relay/bridge/changes.py",
    "relay/bridge/events.py",
    "relay/bridge/families.py",
    "relay/bridge/graphemes.py",
    "relay/bridge/health.py",
    "relay/bridge/mapping.py",
    "relay/bridge/open_runs.py",
    "relay/bridge/push_test.py",
    "relay/bridge/redact.py",
    "relay/bridge/runs.py",
    "relay/bridge/serve_command.py",
    "relay/bridge/session.py",
    "relay/bridge/sessions.py",
    "relay/bridge/snapshot.py",
    "relay/bridge/sse.py",
    "relay/bridge/text.py",
    "relay/bridge/throttle.py",
    "relay/bridge/turns.py",
    "relay/bridge/wording.py",
    "relay/doctor/finding.py",
    "simulator/activity_expectations.py",
    "simulator/activity_report.py",
    "simulator/expectations.py",
    "simulator/guide.py",
    "simulator/logline.py",
    "simulator/relay_environment.py",
    "simulator/report.py",
    "simulator/apns/channel_checks.py",
    "simulator/apns/channel_rulings.py",
    "simulator/apns/channels.py",
    "simulator/apns/checks.py",
    "simulator/apns/connection.py",
    "simulator/apns/delivery_log.py",
    "simulator/apns/fates.py",
    "simulator/apns/flow.py",
    "simulator/apns/frames.py",
    "simulator/apns/intake.py",
    "simulator/apns/mailbox.py",
    "simulator/apns/manners.py",
    "simulator/apns/misshapen.py",
    "simulator/apns/orders.py",
    "simulator/apns/profile.py",
    "simulator/apns/provider_certificate.py",
    "simulator/apns/provider_token.py",
    "simulator/apns/reasons.py",
    "simulator/apns/registry.py",
    "simulator/apns/session.py",
    "simulator/apns/stream_table.py",
    "simulator/apns/token_life.py",
    "simulator/control/openapi.py",
    "simulator/control/problems.py",
    "simulator/lab/feed.py",
    "simulator/lab/issuer.py",
    "simulator/opencode/beat.py",
    "simulator/opencode/ending.py",
    "simulator/opencode/errors.py",
    "simulator/opencode/instances.py",
    "simulator/opencode/refusal.py",
    "simulator/opencode/scene.py",
    "simulator/opencode/script.py",
    "simulator/opencode/shapes.py",
    "simulator/opencode/speech.py",
    "simulator/opencode/state.py",
    "simulator/opencode/summary.py",
    "simulator/opencode/toolbox.py",
    "simulator/opencode/tools.py",
    "simulator/opencode/turn.py",
    "simulator/phone/activity_facts.py",
    "simulator/phone/app_kind.py",
    "simulator/phone/background.py",
    "simulator/phone/budget.py",
    "simulator/phone/content_state.py",
    "simulator/phone/deep_link.py",
    "simulator/phone/monitored_session.py",
    "simulator/phone/notifications.py",
    "simulator/phone/profile.py",
    "simulator/phone/screen.py",
    "simulator/phone/slots.py",
    "simulator/apns/faults/actions.py",
    "simulator/apns/faults/document.py",
    "simulator/apns/faults/fault.py",
    "simulator/apns/faults/table.py",
    "simulator/phone/activitykit/activities.py",
    "simulator/phone/activitykit/activity.py",
    "simulator/phone/activitykit/conditions.py",
    "simulator/phone/activitykit/due.py",
    "simulator/phone/activitykit/message.py",
    "simulator/phone/activitykit/refusals.py",
    "simulator/phone/activitykit/types.py",
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
