"""apns2 (hyper), and its forks apns2-up (hyper-up) and mopyapns (httpx), which kept its interface."""

import collections
import collections.abc
from types import SimpleNamespace
from typing import Any

from driver import Json, Outcome, answer, attempt, commands, settings

given = settings()

for name in ("Iterable", "Mapping", "MutableMapping", "MutableSet"):
    setattr(collections, name, getattr(collections.abc, name))  # hyper 0.7 is older than Python 3.10

try:
    import hyper.tls

    hyper.tls.cert_loc = given["ca_file"]
except ImportError:  # mopyapns has no hyper
    pass

from apns2.client import APNsClient, Notification  # noqa: E402
from apns2.credentials import TokenCredentials  # noqa: E402
from apns2.errors import exception_class_for_reason  # noqa: E402

assert exception_class_for_reason


class Payload:
    """As its own Payload, with any content."""

    def __init__(self, push: Json) -> None:
        self._payload = push["payload"]
        aps = self._payload["aps"]
        self.alert, self.badge, self.sound = aps.get("alert"), None, None

    def dict(self) -> Json:
        return self._payload


client = APNsClient(TokenCredentials(given["key_file"], given["keyId"], given["teamId"]), use_sandbox=True)


def outcome(result: Any) -> Outcome:
    """ "Success", a reason, or a reason with the time of a 410."""
    if isinstance(result, (tuple, list)):
        return {"reason": result[0], "timestamp": result[1]}
    return {"reason": None if result == "Success" else result}


def send(push: Json) -> Outcome:
    kind = SimpleNamespace(value=push["type"])
    stream = client.send_notification_async(push["token"], Payload(push), push["topic"], push_type=kind)
    return outcome(client.get_notification_result(stream))


def burst(pushes: list[Json]) -> list[Outcome]:
    """Its own batch: by token, so every token may come once."""
    batch = [Notification(push["token"], Payload(push)) for push in pushes]
    found = client.send_notification_batch(batch, pushes[0]["topic"])
    return [outcome(found[push["token"]]) for push in pushes]


for command in commands():
    if command["at_once"]:
        try:
            answer(burst(command["pushes"]))
        except Exception as error:
            answer([{"reason": type(error).__name__}] * len(command["pushes"]))
    else:
        answer([attempt(send, push) for push in command["pushes"]])
