"""aioapns' interface on the relay's transport: change the import, and keep the rest.

from relay.apns.client import APNs          # was: from aioapns import APNs
from aioapns import NotificationRequest

async with APNs(key=pem, key_id="KEY1234567", team_id="TEAM123456", topic="com.example.app") as apns:
    result = await apns.send_notification(NotificationRequest(token, {"aps": {"alert": "Done"}}))
"""

import random
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec
from aioapns import NotificationRequest
from aioapns.common import NotificationResult
from aioapns.exceptions import MaxAttemptsExceeded

from relay.apns.connector import Connector
from relay.apns.pool import ConnectionPool
from relay.apns.provider_token import ProviderToken
from relay.apns.push import Answered, NotSent, Outcome, Push
from relay.apns.request_checks import refusal
from relay.apns.trust import client_tls

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
        key: str,
        key_id: str,
        team_id: str,
        topic: str,
        max_connections: int = 10,
        use_sandbox: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        err_func: OnError | None = None,
        *,
        server: tuple[str, int] | None = None,
        ca_file: Path | None = None,
        deadline: float = 30.0,
    ) -> None:
        """`key` is the text of the .p8 file; `server` another host and port than Apple's; `deadline` in seconds."""
        if "PRIVATE KEY" not in key:
            raise ValueError(
                "key: expected the text of the .p8 file (a PEM); read the file and pass its contents"
            )
        token = _provider_token(key, key_id, team_id)
        host, port = server or (SANDBOX if use_sandbox else PRODUCTION)
        connector = Connector(
            host=host,
            port=port,
            tls=ssl_context or client_tls(ca_file),
            sign=lambda: token.authorization(time.time()),
            now=time.time,
        )
        self.topic, self.err_func, self._deadline = topic, err_func, deadline
        self.pool = ConnectionPool(
            connector, now=time.time, jitter=random.Random(), max_connections=max_connections
        )

    async def send_notification(self, request: NotificationRequest) -> NotificationResult:
        """APNs' answer. PushNotSentError or PushMaybeSentError, both MaxAttemptsExceeded, if none came in time."""
        push = self._push(request)
        outcome = refusal(push) or await self.pool.send(push, self.pool.time() + self._deadline)
        if not isinstance(outcome, Answered):
            raise _failure(outcome)
        result = NotificationResult(
            request.notification_id, str(outcome.status), outcome.reason, outcome.timestamp
        )
        if outcome.status != 200 and self.err_func is not None:
            await self.err_func(request, result)
        return result

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


def _failure(outcome: Outcome) -> MaxAttemptsExceeded:
    kind = PushNotSentError if isinstance(outcome, NotSent) else PushMaybeSentError
    return kind(outcome.why if not isinstance(outcome, Answered) else "")


@lru_cache(maxsize=16)
def _provider_token(key: str, key_id: str, team_id: str) -> ProviderToken:
    """One per key and process (Apple allows a new one every 20 minutes), however many clients there are."""
    return ProviderToken(private_key=key, key_id=key_id, team_id=team_id)
