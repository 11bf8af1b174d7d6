"""A test push: does the relay know phones under this secret, and does APNs take it for them?

Where the relay's settings are at hand, its own database says why a push was not sent.
"""

from collections.abc import Mapping
from pathlib import Path

import aiohttp

from relay import contract
from relay.bridge.failures import SECRET_REMEDIES, SECRET_WORDS
from relay.bridge.http.replies import push_test_event
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import PostResult, RelayClient, relay_proxy
from relay.bridge.relay_secret import Phones, count_phones
from relay.doctor.finding import Case, Finding
from relay.errors import CommandError, ServerNotInstalled, server_packages

NO_PHONE = "scan the code of relay pair with the app; it has to be the same --relay-url and secret"
NO_PHONES = "the relay knows no phone under this secret"
RELAY_LOG = "the relay's log names APNs' reason; so does relay doctor, run with the relay's environment"


STALE_START = "open the app on the phone once, so that it registers its push-to-start token anew"


async def check_push(http: aiohttp.ClientSession, case: Case, secret: str | None) -> list[Finding]:
    """The findings of the steps "devices" and "push". Rings on every phone of the secret; None: it cannot."""
    if secret is None:
        why = "it needs a relay and a secret"
        return [Finding("devices", "skipped", why), Finding("push", "skipped", why)]
    if not case.push:
        counted = await count_phones(http, case.options.relay_url, secret, case.environment)
        found = _refused(counted.refused, secret) or count_finding(counted)
        return [found, Finding("push", "skipped", "--no-push")]
    url = case.options.relay_url
    sender = Sender(secret, contract.server_id(url, secret))
    # Not a permission: it begins no Live Activity, and the app asks for no decision.
    event = push_test_event(sender, int(case.clock() * 1000), event_type="complete")
    result = await RelayClient(http, url, proxy=relay_proxy(url, case.environment)).post(event)
    if refused := _refused(result.code, secret):
        return [refused, Finding("push", "skipped", refused.said)]
    findings = push_findings(result)
    if findings[0].result == "ok" and (starts := await starts_in_vain(case.environment, event)):
        findings[0] = Finding("devices", "ok", f"{findings[0].said}; {starts}", STALE_START)
    if findings[-1].result == "fails" and (reasons := await unsent(case.environment, event)):
        findings[-1] = Finding(
            "push", "fails", f"{findings[-1].said}: {'; '.join(reasons)}", findings[-1].remedy
        )
    return findings


def _refused(code: str, secret: str) -> Finding | None:
    """The relay does not take the secret; None: it does."""
    if code not in SECRET_WORDS:
        return None
    said = f"the relay does not take the secret: {SECRET_WORDS[code]}"
    ask = f"ask its operator to run: relay secret add NAME --hash {contract.secret_hash(secret)}"
    return Finding("devices", "fails", said, ask if code == "secret_unknown" else SECRET_REMEDIES[code])


def count_finding(counted: Phones) -> Finding:
    """How many phones the relay knows, where nothing may ring. Pure."""
    if counted.count is None:
        return Finding("devices", "skipped", f"they cannot be counted without a push: {counted.reason}")
    if counted.count == 0:
        return Finding("devices", "fails", NO_PHONES, NO_PHONE)
    return Finding("devices", "ok", f"{counted.count} phone(s) under this secret")


def push_findings(result: PostResult) -> list[Finding]:
    """What the relay's answer says. Pure."""
    if result.verdict != "delivered":
        said = f"the relay did not take the test push: {result.reason}"
        return [Finding("devices", "fails", said, "see the relay's log"), Finding("push", "skipped", said)]
    sent, failed, queued = (
        int((result.counts or {}).get(name) or 0) for name in ("sent", "failed", "queued")
    )
    total = sent + failed + queued
    if total == 0:
        return [Finding("devices", "fails", NO_PHONES, NO_PHONE), Finding("push", "skipped", NO_PHONES)]
    return [Finding("devices", "ok", f"{total} phone(s) under this secret"), _pushed(sent, failed, queued)]


def _pushed(sent: int, failed: int, queued: int) -> Finding:
    if failed or queued:
        said = f"APNs took {sent}, refused {failed}, and {queued} are still being tried"
        return Finding("push", "fails", said, RELAY_LOG)
    return Finding("push", "ok", f"APNs took {sent}", "look at the phone: a notification says Push test")


_UNSENT = """
    SELECT token_suffix, apns_env, topic, status, http_status, reason, error FROM delivery_log
    WHERE secret_hash = ? AND event_id = ? AND status <> 'sent'"""


async def unsent(environment: Mapping[str, str], event: contract.Event) -> list[str]:
    """For each push of the event that was not sent, why; empty if the database is not here, or does not say."""
    try:
        with server_packages():
            from relay.server import settings
            from relay.server.store.sql import Unavailable
        database_url = settings.load(environment).database_url
        return await _read(database_url, event) if _is_there(database_url) else []
    except ServerNotInstalled:
        return ["the reason was not checked, the relay's packages are not installed here"]
    except (CommandError, Unavailable):
        return []


async def _read(database_url: str, event: contract.Event) -> list[str]:
    from relay.server.store.database import close_database, open_database
    from relay.server.store.sql import Database

    connection = await open_database(database_url)
    try:
        values = [contract.secret_hash(event.secret), event.event_id]
        _, rows = await Database(connection).execute(_UNSENT, values)
        return [_reason(dict(row)) for row in rows]
    finally:
        await close_database()


async def starts_in_vain(environment: Mapping[str, str], event: contract.Event) -> str:
    """What the relay's database knows of Live Activities that APNs took and no phone showed; "" if nothing, or it is not here."""
    try:
        with server_packages():
            from relay.server import settings
            from relay.server.store.sql import Unavailable
        database_url = settings.load(environment).database_url
        return await _read_starts(database_url, event) if _is_there(database_url) else ""
    except (ServerNotInstalled, CommandError, Unavailable):
        return ""


async def _read_starts(database_url: str, event: contract.Event) -> str:
    from relay.server.live_activities.life import in_vain, in_vain_words
    from relay.server.store import activities
    from relay.server.store.database import close_database, open_database
    from relay.server.store.sql import Database

    connection = await open_database(database_url)
    try:
        phones = await activities.of_secret(Database(connection), contract.secret_hash(event.secret))
        return "; ".join(in_vain_words(starts) for phone in phones if (starts := in_vain(phone)))
    finally:
        await close_database()


def _reason(row: Mapping[str, object]) -> str:
    from relay.apns.reasons import REASONS

    said = [str(row[name]) for name in ("http_status", "reason", "error") if row[name]]
    known = REASONS.get(str(row["reason"]))
    advice = f" to {row['topic']}: {known.advice}" if known and known.advice else ""
    return f"…{row['token_suffix']} ({row['apns_env']}) {row['status']}: {' '.join(said) or 'no answer yet'}{advice}"


def _is_there(database_url: str) -> bool:
    """The doctor makes no database."""
    if not database_url.startswith("sqlite://"):
        return True
    return Path(database_url.removeprefix("sqlite://").partition("?")[0]).exists()
