"""The environment of a relay whose APNs is a sandbox of ours."""

from simulator.apns.registry import ProviderKey
from simulator.apns.sandbox import Sandbox


def relay_environment(sandbox: Sandbox, key: ProviderKey, bundle_id: str) -> dict[str, str]:
    """What `relay serve` is told of APNs, for the app with this bundle id; the sandbox listens already."""
    return {
        "APNS_TEAM_ID": key.team_id,
        "APNS_KEY_ID": key.key_id,
        "APNS_PRIVATE_KEY": key.private_key,
        "APNS_DEFAULT_BUNDLE_ID": bundle_id,
        "APNS_HOST_SANDBOX": f"127.0.0.1:{sandbox.ports['sandbox']}",
        "APNS_HOST_PRODUCTION": f"127.0.0.1:{sandbox.ports['production']}",
        "APNS_CA_FILE": str(sandbox.ca_file),
    }
