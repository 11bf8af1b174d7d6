"""pyapns-client 2.0.6 as it is, but for the host: one push at a time."""

import json
import os
import sys

from pyapns_client import APNSClient, APNSDeviceException, APNSException, UnregisteredException

APNSClient.BASE_URLS = {APNSClient.MODE_DEV: f"https://{os.environ['APNS_HOST']}:{os.environ['APNS_PORT']}"}


class Notification:
    """As its own notification classes, with any payload."""

    def __init__(self, given: dict) -> None:
        self._given = given

    def get_headers(self) -> dict[str, str]:
        named = {"apns-id": self._given["apns_id"]} if "apns_id" in self._given else {}
        return {"apns-topic": self._given["topic"], "apns-push-type": self._given["push_type"]} | named

    def get_json_data(self) -> bytes:
        return json.dumps(self._given["payload"]).encode()


client = APNSClient(
    APNSClient.MODE_DEV,
    os.environ["APNS_CA_FILE"],
    os.environ["APNS_KEY_FILE"],
    os.environ["APNS_KEY_ID"],
    os.environ["APNS_TEAM_ID"],
)


def push(given: dict) -> dict:
    try:
        client.push(Notification(given), given["token"])
    except UnregisteredException as error:
        return {"status": 410, "reason": "Unregistered", "timestamp": int(error.timestamp)}
    except (APNSDeviceException, APNSException) as error:
        name = type(error).__name__.removesuffix("Exception")
        return {"error": name} if name in ("APNSConnection", "APNS") else {"status": 400, "reason": name}
    except Exception as error:
        return {"error": type(error).__name__}
    return {"status": 200}


for line in sys.stdin:
    given = json.loads(line)
    print(json.dumps({"id": given["id"]} | push(given)), flush=True)
client.close()
