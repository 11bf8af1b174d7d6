"""The way back: pushes over the stock aioapns package, selected by APNS_TRANSPORT=aioapns."""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aioapns import APNs, NotificationRequest, PushType
from aioapns import exceptions as failures
from aioapns.connection import APNsTLSClientProtocol, AuthorizationHeaderProvider
from h2.exceptions import H2Error

from relay.apns.http2.connection import SignedAt
from relay.apns.http2.connector import client_tls
from relay.apns.push import Outcome, Push, answered, maybe_sent, not_sent, refusal
from relay.contract import ApnsEnv

IDLE_SECONDS = 3600
"""aioapns closes after ten seconds, and signs a new token with each connection; Apple wants neither."""


class _OurToken(AuthorizationHeaderProvider):
    """One provider token for all connections, where aioapns would sign one for each."""

    def __init__(self, sign: SignedAt) -> None:
        self._sign = sign

    def get_header(self) -> str:
        return self._sign()


class AioapnsGateway:
    """aioapns 4.0 as it is, behind the relay's interface. It works, with defects that no adapter cures:

    An answer without (or with another case of) apns-id, without a reason, or a reset stream is never matched: such a
    push ends as maybe sent at its deadline. A body that is no JSON or is split over frames, and each GOAWAY, ends the
    connection, and pushes in flight are sent again, also those that were processed: a phone can alert twice. After
    some 1200 errors on one connection no further error is received. Bursts beyond the flow-control window lose
    streams for good. An expired provider token is not renewed at once, and closing does not wait for answers.
    """

    def __init__(
        self,
        *,
        hosts: Mapping[ApnsEnv, tuple[str, int]],
        ca_file: Path | None,
        sign: SignedAt,
        deadline: float,
    ) -> None:
        self._deadline = deadline
        self._tls = client_tls(ca_file)
        self._token = _OurToken(sign)
        self._clients = {env: self._client(host, port) for env, (host, port) in hosts.items()}
        self._sending: set[asyncio.Task[Outcome]] = set()
        self._closed = False

    def _client(self, host: str, port: int) -> APNs:
        token = self._token

        class Connection(APNsTLSClientProtocol):
            """aioapns names host and port by subclass."""

            APNS_SERVER, APNS_PORT, INACTIVITY_TIME = host, port, IDLE_SECONDS

            def __init__(self, topic: str, loop: Any, on_connection_lost: Any, _: Any) -> None:
                super().__init__(topic, loop, on_connection_lost, token)

        client = APNs(key="unused", key_id="unused", team_id="unused", topic="unused", ssl_context=self._tls)
        client.pool.protocol_class = Connection
        return client

    async def send(self, push: Push) -> Outcome:
        """What became of the push, as far as aioapns knows."""
        if (refused := refusal(push)) is not None:
            return refused
        if self._closed:
            return not_sent(push.apns_env, "closed")
        # A task of its own: a push that is cancelled would take aioapns' connection with it.
        task = asyncio.create_task(self._send(push), name=f"push {push.apns_id}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        done, _ = await asyncio.wait({task}, timeout=self._deadline)
        if done:
            return task.result()
        return maybe_sent(push.apns_env, f"no answer within {self._deadline:.1f} s")

    async def _send(self, push: Push) -> Outcome:
        try:
            result = await self._clients[push.apns_env].send_notification(_request(push))
        except (failures.MaxAttemptsExceeded, failures.ConnectionClosed, H2Error, OSError) as error:
            return maybe_sent(push.apns_env, f"aioapns: {type(error).__name__} {error}".rstrip())
        status = int(result.status) if result.status.isdecimal() else 0
        return answered(push.apns_env, status, result.description, result.timestamp)

    async def close(self, grace: float) -> None:
        """Stop; what is in flight after `grace` seconds is given up."""
        self._closed = True
        if self._sending:
            await asyncio.wait(self._sending, timeout=grace)
        left = tuple(self._sending)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for client in self._clients.values():
            for connection in client.pool.connections:
                connection.requests.clear()  # it would report the loss to cancelled futures, and break over it
            client.pool.close()


def _request(push: Push) -> NotificationRequest:
    return NotificationRequest(
        push.device_token,
        json.loads(push.payload),
        notification_id=push.apns_id,
        time_to_live=push.expiration - int(time.time()),  # aioapns adds the time of day again
        priority=push.priority,
        collapse_key=push.collapse_id or None,
        push_type=PushType(push.push_type) if push.push_type else None,
        apns_topic=push.topic,
    )
