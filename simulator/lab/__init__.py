"""An APNs sandbox and its phones, for anybody's provider: no relay, no bridge, no OpenCode.

As a library, which is stable under semantic versioning, and nothing else of this package is:

    from simulator.lab import ApnsSandbox

    with ApnsSandbox() as apns:
        push_to(apns.host, apns.port, apns.ca_file, apns.key_file, apns.key_id, apns.team_id, apns.device.token)
        push = apns.wait_for_push(topic=apns.bundle_id)
        assert push.payload == {"aps": {"alert": "Hello"}}

Its clocks, rules and phones are those of the command `simulator apns`.
"""

from simulator.apns.errors import SandboxError
from simulator.lab.errors import LabError
from simulator.lab.handles import Device, Faults, LiveActivity, Notification
from simulator.lab.library import ApnsSandbox, AsyncApnsSandbox
from simulator.lab.sandbox import PushTimeout
from simulator.lab.sent import Push

__all__ = [
    "ApnsSandbox",
    "AsyncApnsSandbox",
    "Device",
    "Faults",
    "LabError",
    "LiveActivity",
    "Notification",
    "Push",
    "PushTimeout",
    "SandboxError",
]
