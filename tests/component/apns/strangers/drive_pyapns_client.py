"""pyapns-client (httpx, one connection, one push at a time)."""

import json

from driver import Json, Outcome, one_by_one, settings

given = settings()

from pyapns_client import APNSClient, UnregisteredException  # noqa: E402


class Notification:
    """As its own notification classes, with any payload and headers."""

    def __init__(self, push: Json) -> None:
        self._push = push

    def get_headers(self) -> dict[str, str]:
        return {"apns-topic": self._push["topic"], "apns-push-type": self._push["type"]}

    def get_json_data(self) -> bytes:
        return json.dumps(self._push["payload"]).encode()


client = APNSClient(APNSClient.MODE_DEV, given["ca_file"], given["key_file"], given["keyId"], given["teamId"])


def send(push: Json) -> Outcome:
    try:
        client.push(Notification(push), push["token"])
    except UnregisteredException as error:
        return {"reason": "Unregistered", "timestamp": int(error.timestamp)}
    return {"reason": None}


one_by_one(send)
