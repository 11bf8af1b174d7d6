"""What the bridge asks the relay about its secret: how many phones there are, and that a replaced secret is forgotten."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
from msgspec import UNSET

from relay import contract
from relay.bridge.client import MAX_REPLY, read_at_most
from relay.bridge.failures import PROXY_STATUSES, SECRET_WORDS, in_words
from relay.bridge.notify.relay_client import relay_proxy, through
from relay.bridge.pairing.secret_file import keep_replaced, replaced_secrets
from relay.contract import Message, PhonesReply, Refusal, SecretForget, SecretPhones
from relay.log import line

log = logging.getLogger("relay.bridge.relay")

DEADLINE = aiohttp.ClientTimeout(total=5.0)
OLD = "it is of an earlier release, which does not know the question: update it"


@dataclass(frozen=True, slots=True)
class Phones:
    """The answer. `count` None: `reason` says in words why there is none; `is_up`: a relay answers all the same;
    `refused`: it does not take the secret, by the code of its refusal; `later`: it was asked too often, and says it later.
    `with_key`: so many have the key; None if the relay does not say.
    """

    count: int | None
    reason: str = ""
    is_up: bool = True
    refused: str = ""
    later: bool = False
    with_key: int | None = None


async def count_phones(
    http: aiohttp.ClientSession,
    relay_url: str,
    secret: str,
    environment: Mapping[str, str],
    kid: str | None = None,
) -> Phones:
    """Phones under the secret, and those with the key `kid`. Nothing rings."""
    body = SecretPhones(secret=secret, kid=kid)
    return await _ask(http, relay_url, "/v1/secret/phones", body, environment)


async def forget_replaced(
    http: aiohttp.ClientSession, secret_file: Path, relay_url: str, environment: Mapping[str, str]
) -> list[tuple[str, Phones]]:
    """Have the replaced secrets forgotten and refused; those of which no relay could be told are kept for the next time.

    Asked are the relay that was named when the secret was replaced, and the one at `relay_url`. Returns what each said.
    """
    said: list[tuple[str, Phones]] = []
    for entry in replaced_secrets(secret_file):
        named, secret = entry
        body = SecretForget(secret=secret, refuse=True)
        for url in dict.fromkeys(map(contract.normal_relay_url, (named, relay_url))):
            answer = await _ask(http, url, "/v1/secret/forget", body, environment)
            said.append((url, answer))
            if answer.count is not None:
                keep_replaced(secret_file, without=entry)
                log.info(line("secret replaced", url=url, phones=answer.count))
            else:
                log.warning(line("old secret still works", url=url, reason=answer.reason))
    return said


async def _ask(
    http: aiohttp.ClientSession, relay_url: str, path: str, body: Message, environment: Mapping[str, str]
) -> Phones:
    url = contract.normal_relay_url(relay_url) + path
    way = through(relay_proxy(relay_url, environment), url, {"Content-Type": "application/json"})
    try:
        async with http.post(
            url, data=contract.encode(body), timeout=DEADLINE, allow_redirects=False, **way
        ) as response:
            return read_phones(response.status, await read_at_most(response, MAX_REPLY))
    except (aiohttp.ClientError, OSError) as error:
        return Phones(None, in_words(error), is_up=False)


def read_phones(status: int, body: bytes) -> Phones:
    """What an answer says. Pure."""
    if status == 404:
        return Phones(None, OLD)
    if status == 403 and (code := _code(body)) in SECRET_WORDS:
        return Phones(None, SECRET_WORDS[code], refused=code)
    if status == 429:
        return Phones(None, "it was asked too often", later=True)
    if status != 200:
        return Phones(None, PROXY_STATUSES.get(status) or f"it answers {status}", is_up=status < 500)
    try:
        reply = msgspec.json.decode(body, type=PhonesReply)
    except ValueError:
        return Phones(None, "what answers there is no relay")
    return Phones(reply.phones, with_key=None if reply.with_key is UNSET else reply.with_key)


def _code(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Refusal).code
    except ValueError:
        return ""
