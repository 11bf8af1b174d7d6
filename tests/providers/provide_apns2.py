"""apns2 0.7.2 (PyPI) as it is, but for the host: one push at a time."""

import collections
import collections.abc
import json
import os
import sys
from types import SimpleNamespace

for name in ("Iterable", "Mapping", "MutableMapping", "MutableSet"):
    setattr(collections, name, getattr(collections.abc, name))  # hyper 0.7 is older than Python 3.10

import hyper.tls  # noqa: E402

hyper.tls.cert_loc = os.environ["APNS_CA_FILE"]

from apns2.client import APNsClient  # noqa: E402
from apns2.credentials import TokenCredentials  # noqa: E402


class Here(APNsClient):
    SANDBOX_SERVER = os.environ["APNS_HOST"]
    DEFAULT_PORT = int(os.environ["APNS_PORT"])


class Payload:
    """As its own Payload, with any content."""

    alert, badge, sound = "", None, None

    def __init__(self, payload: dict) -> None:
        self._payload = payload

    def dict(self) -> dict:
        return self._payload


credentials = TokenCredentials(
    os.environ["APNS_KEY_FILE"], os.environ["APNS_KEY_ID"], os.environ["APNS_TEAM_ID"]
)
client = Here(credentials, use_sandbox=True)


def push(given: dict) -> dict:
    kind = SimpleNamespace(value=given["push_type"])
    try:
        stream = client.send_notification_async(
            given["token"], Payload(given["payload"]), given["topic"], push_type=kind
        )
        result = client.get_notification_result(stream)
    except Exception as error:
        return {"error": type(error).__name__}
    if isinstance(result, (tuple, list)):
        return {"status": 410, "reason": result[0], "timestamp": result[1]}
    return {"status": 200} if result == "Success" else {"status": 400, "reason": result}


for line in sys.stdin:
    given = json.loads(line)
    print(json.dumps({"id": given["id"], **push(given)}), flush=True)
