"""The relay's way to a sandbox without sockets: the same requests, checked and delivered by the same code, in no time."""

from relay.apns.provider_token import ProviderToken
from relay.apns.push import Outcome, Push, answered
from simulator.apns.authentication import ProviderState
from simulator.apns.messages import Request
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock


class DirectGateway:
    """Sends to `sandbox`, which need not be started."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self._hosts, self._clock = sandbox.hosts, clock
        key = sandbox.issue_key()
        self._token = ProviderToken(private_key=key.private_key, key_id=key.key_id, team_id=key.team_id)
        self._provider = ProviderState()

    async def send(self, push: Push) -> Outcome:
        """APNs' answer, at once."""
        answer = self._hosts[push.apns_env].handle(self._request(push), self._provider).response
        assert answer is not None  # there are no faults
        return answered(push.apns_env, answer.status, answer.reason, answer.timestamp)

    async def close(self, grace: float) -> None:
        """Nothing to close."""

    def _request(self, push: Push) -> Request:
        headers = {
            "authorization": self._token.authorization(self._clock.now()),
            "apns-id": push.apns_id,
            "apns-topic": push.topic,
            "apns-push-type": push.push_type,
            "apns-priority": str(push.priority),
            "apns-expiration": str(push.expiration),
        }
        headers |= {"apns-collapse-id": push.collapse_id} if push.collapse_id else {}
        path = f"/3/device/{push.device_token}"
        size = len(push.payload)
        return Request("POST", path, push.device_token, headers, frozenset(), push.payload, size)
