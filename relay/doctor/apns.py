"""The relay's APNs key, where its settings are at hand: can it be used, and does Apple take it?

A push to a device token that no phone has shows it: APNs checks the key before the token, so BadDeviceToken means that
the key is good (observed; Apple documents no order of its checks). It reaches nobody's phone.
"""

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from relay.contract import ApnsEnv
from relay.doctor.finding import Case, Finding
from relay.errors import CommandError, ServerNotInstalled, server_packages

if TYPE_CHECKING:
    from relay.apns.push import Outcome, Push
    from relay.server.settings import Settings

NOBODY = "00" * 32
"""A device token."""
ENVIRONMENTS: tuple[ApnsEnv, ...] = ("sandbox", "production")
KEY_IS_GOOD = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
"""The reasons that are about the token, not the key."""
OTHER_ENVIRONMENT = frozenset({"BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"})
"""The key is good, but serves the other environment only."""
NETWORK = "is the network, or a firewall, in the way of HTTP/2 to APNs?"
CAUSES = (
    ("certificate", "name the CA in APNS_CA_FILE if this is a sandbox; else the CA certificates of this machine are missing or old (ca-certificates)"),
    ("proxy", "correct APNS_PROXY or HTTPS_PROXY, or name the host in NO_PROXY"),
    ("name or service", "is the name in APNS_HOST_SANDBOX or APNS_HOST_PRODUCTION right, and does a name server answer here?"),
    ("name resolution", "is the name in APNS_HOST_SANDBOX or APNS_HOST_PRODUCTION right, and does a name server answer here?"),
    ("connect call failed", "nothing listens there: are APNS_HOST_SANDBOX and APNS_HOST_PRODUCTION right, and is a sandbox started?"),
    ("refused", "nothing listens there: are APNS_HOST_SANDBOX and APNS_HOST_PRODUCTION right, and is a sandbox started?"),
)  # fmt: skip
"""By a word of what OpenSSL, the operating system or the connector says."""
CLOSE_SECONDS = 1.0


async def check_apns(case: Case) -> Finding:
    """The key is valid, and APNs accepts it."""
    if not any(name.startswith("APNS_") and value for name, value in case.environment.items()):
        return Finding(
            "apns", "skipped", "the relay's settings are not here", "run this where APNS_KEY_ID is set"
        )
    try:
        with server_packages():
            from relay.server import app, settings  # noqa: F401 - app: what it imports is needed below
        configured = settings.load(case.environment)
    except ServerNotInstalled as error:
        return Finding(
            "apns", "skipped", "not checked: the relay's packages are not installed here", error.REMEDY
        )
    except CommandError as error:
        return Finding("apns", "fails", str(error), "correct the environment of the relay")
    return key_finding(await _ask(configured, case.clock()), configured)


def key_finding(outcomes: Mapping[ApnsEnv, "Outcome"], configured: "Settings") -> Finding:
    """What the answers of the environments say of the key. Pure."""
    good = [env for env, outcome in outcomes.items() if outcome.reason in KEY_IS_GOOD]
    bad = [
        env
        for env in outcomes
        if env not in good and not (good and outcomes[env].reason in OTHER_ENVIRONMENT)
    ]
    if bad:
        said = "; ".join(f"{env} {_words(outcomes[env], configured, env)}" for env in bad)
        return Finding("apns", "fails", said, _remedy(outcomes[bad[0]]))
    return Finding("apns", "ok", f"key {configured.apns_key_id} is accepted by {' and '.join(good)}")


async def _ask(configured: "Settings", now: float) -> dict[ApnsEnv, "Outcome"]:
    from relay.server.app import apns_gateway

    gateway = apns_gateway(configured)
    try:
        return {env: await gateway.send(_push(env, configured, now)) for env in ENVIRONMENTS}
    finally:
        await gateway.close(CLOSE_SECONDS)


def _push(env: ApnsEnv, configured: "Settings", now: float) -> "Push":
    from relay.apns.push import Push

    return Push(
        apns_id=str(uuid.uuid4()),
        device_token=NOBODY,
        apns_env=env,
        topic=configured.apns_default_bundle_id,
        push_type="alert",
        priority=5,
        expiration=int(now),
        collapse_id="",
        payload=b'{"aps":{"alert":"relay doctor"}}',
    )


def _words(outcome: "Outcome", configured: "Settings", env: ApnsEnv) -> str:
    if outcome.status is not None:
        return f"answers {outcome.status} {outcome.reason or ''}".rstrip()
    host, port = configured.apns_hosts[env]
    return f"({host}:{port}) cannot be asked: {_plain(outcome.error)}"


def _plain(error: str | None) -> str:
    """Without what only says where in the program it was noticed: `[Errno 111]`, `[SSL: ...]`, `(_ssl.c:1002)`, a class's name."""
    text = re.sub(r"\[(?:Errno|SSL)[^\]]*\] ?| ?\(_ssl\.c:\d+\)", "", error or "")
    return re.sub(r"\b\w+(?:Error|Exception)\b:? ?", "", text).strip(" :") or "the connection failed"


def _remedy(outcome: "Outcome") -> str:
    if outcome.status is not None:
        return outcome.advice or "try again later"
    return next((remedy for words, remedy in CAUSES if words in (outcome.error or "").lower()), NETWORK)
