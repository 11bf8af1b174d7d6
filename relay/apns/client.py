"""aioapns' interface on the relay's transport: change the import, and keep the rest.

from relay.apns.client import APNs, NotificationRequest, PushType          # was: from aioapns import ...

async with APNs(key=pem, key_id="KEY1234567", team_id="TEAM123456", topic="com.example.app") as apns:
    result = await apns.send_notification(NotificationRequest(token, {"aps": {"alert": "Done"}}))
"""

import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec
from aioapns import PRIORITY_HIGH, PRIORITY_NORMAL, NotificationRequest, PushType
from aioapns.common import NotificationResult
from aioapns.exceptions import MaxAttemptsExceeded
from jwt import PyJWTError

from relay.apns.http2.connector import Connector
from relay.apns.http2.pool import ConnectionPool
from relay.apns.http2.renewal import RenewingSender
from relay.apns.http2.request_checks import refusal
from relay.apns.http2.trust import client_tls, for_apns
from relay.apns.provider_token import ProviderToken
from relay.apns.push import Outcome, Push
from relay.log import line

__all__ = [
    "PRIORITY_HIGH",
    "PRIORITY_NORMAL",
    "APNs",
    "NotificationRequest",
    "NotificationResult",
    "PushMaybeSentError",
    "PushNotSentError",
    "PushType",
]

log = logging.getLogger("relay.apns")

PRODUCTION: Final = ("api.push.apple.com", 443)
SANDBOX: Final = ("api.sandbox.push.apple.com", 443)
LONGEST_STORAGE: Final = 30 * 24 * 3600
"""Seconds. Apple: for how long APNs stores a push that names no expiration."""
IMMEDIATELY: Final = 10
"""Apple: the priority of a push that names none."""

OnError = Callable[[NotificationRequest, NotificationResult], Awaitable[None]]


class PushNotSentError(MaxAttemptsExceeded):
    """The push certainly was not processed: to send it again doubles nothing."""


class PushMaybeSentError(MaxAttemptsExceeded):
    """The push went out, and no answer came: to send it again may alert a person twice."""


class APNs:
    """Sends notifications with token authentication. Build it inside a running event loop."""

    def __init__(
        self,
        client_cert: str | None = None,
        key: str | None = None,
        key_id: str | None = None,
        team_id: str | None = None,
        topic: str | None = None,
        max_connections: int = 10,
        max_connection_attempts: int = 5,  # noqa: ARG002 - aioapns' parameter
        use_sandbox: bool = False,
        no_cert_validation: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        err_func: OnError | None = None,
        *,
        server: tuple[str, int] | None = None,
        ca_file: Path | None = None,
        deadline: float = 30.0,
    ) -> None:
        """aioapns' parameters, in its order; `key` is the text of the .p8 file.

        `max_connection_attempts` is of no effect: a push is sent again at most once, and only if it provably was not
        processed. New are `server`, another host and port than Apple's, `ca_file`, whom to trust there, and
        `deadline`, seconds for each push. ValueError for what this transport does not do.
        """
        _refuse(client_cert=client_cert, proxy_host=proxy_host, proxy_port=proxy_port)
        if no_cert_validation:
            raise ValueError("no_cert_validation: the server is always verified; trust its CA with ca_file")
        if not (key and key_id and team_id and topic):
            raise ValueError("expected key, key_id, team_id and topic")
        token = _provider_token(key, key_id, team_id)
        host, port = server or (SANDBOX if use_sandbox else PRODUCTION)
        connector = Connector(
            host=host,
            port=port,
            tls=for_apns(ssl_context) if ssl_context else client_tls(ca_file),
            sign=lambda: token.authorization(time.time()),
            now=time.time,
        )
        self.topic, self.err_func, self._deadline = topic, err_func, deadline
        self.pool = ConnectionPool(
            connector,
            apns_env="production",
            now=time.time,
            jitter=random.Random(),
            max_connections=max_connections,
        )
        self._sender = RenewingSender(self.pool, token, time.time)

    async def send_notification(self, request: NotificationRequest) -> NotificationResult:
        """APNs' answer. PushNotSentError or PushMaybeSentError, both MaxAttemptsExceeded, if none came in time."""
        push = self._push(request)
        outcome = refusal(push) or await self._sender.send(push, self._deadline)
        if outcome.status is None:
            raise _failure(outcome)
        result = NotificationResult(
            request.notification_id, str(outcome.status), outcome.reason, outcome.timestamp
        )
        if outcome.status != 200:
            await self._tell(request, result)
        return result

    async def _tell(self, request: NotificationRequest, result: NotificationResult) -> None:
        if self.err_func is not None:
            await self.err_func(request, result)
        else:
            log.error(
                line(
                    "push refused",
                    apnsID=result.notification_id,
                    status=result.status,
                    reason=result.description,
                )
            )

    def _push(self, request: NotificationRequest) -> Push:
        lives = LONGEST_STORAGE if request.time_to_live is None else request.time_to_live
        return Push(
            apns_id=request.notification_id,
            device_token=request.device_token,
            apns_env="production",
            topic=request.apns_topic or self.topic,
            push_type=request.push_type.value if request.push_type else "",
            priority=IMMEDIATELY if request.priority is None else int(request.priority),
            expiration=int(time.time()) + lives,
            collapse_id=request.collapse_key or "",
            payload=msgspec.json.encode(request.message),
        )

    async def close(self, grace: float = 5.0) -> None:
        """Take no more; what is in flight gets `grace` seconds; the sockets are closed on return."""
        await self.pool.close(grace)

    async def __aenter__(self) -> "APNs":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _refuse(**parameters: object) -> None:
    for name, value in parameters.items():
        if value is not None:
            raise ValueError(f"{name}: only direct connections with a key (.p8) are supported; leave it out")


def _failure(outcome: Outcome) -> MaxAttemptsExceeded:
    return (PushNotSentError if outcome.transmission == "not_sent" else PushMaybeSentError)(outcome.error)


@lru_cache(maxsize=16)
def _provider_token(key: str, key_id: str, team_id: str) -> ProviderToken:
    """One per key and process (Apple allows a new one every 20 minutes), however many clients there are."""
    if "PRIVATE KEY" not in key:
        raise ValueError(
            "key: expected the text of the .p8 file (a PEM); read the file and pass its contents"
        )
    token = ProviderToken(private_key=key, key_id=key_id, team_id=team_id)
    try:
        token.authorization(time.time())
    except (ValueError, PyJWTError) as error:
        raise ValueError(f"key: expected the P-256 key of a .p8 file: {error}") from error
    return token
