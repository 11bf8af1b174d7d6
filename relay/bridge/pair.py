"""`relay pair`: the pairing code again, with a fresh connect link of OpenCode 2 if one is wanted."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import aiohttp
import msgspec

from relay import contract
from relay.bridge.client import open_client
from relay.bridge.errors import NotFound, NotOpenCode, OpenCodeError, OptionError
from relay.bridge.options import BridgeOptions
from relay.bridge.pairing.hosts import is_local
from relay.bridge.pairing.pairing import (
    LISTEN,
    lacks,
    pairing_of,
    relay_secret,
    rotate_key,
    rotate_secret,
    save_pairing,
    secret_file,
    show_pairing,
)
from relay.bridge.relay_secret import count_phones, forget_replaced
from relay.bridge.sources.discovery import Discovery, Place
from relay.bridge.sources.generations import OPENCODE_2
from relay.bridge.sources.opencode2.client import OpenCode
from relay.contract import Pairing

SINCE = (2, 0, 17)
"""The first release whose links hold a code for one use; those of 2.0.13 to 2.0.16 held the password."""
CONNECT_NOTE = """\
The code holds a connect link: it lets one device into {place}, once, within 5 minutes.
Whoever sees it until then can use it.
"""
ONLY_HERE = """\
Only this machine reaches OpenCode at {url}, so the link is of no use to a phone. Name an address by --advertise-host,
such as that of a tunnel, or let OpenCode listen for others: {listen}.
"""
NEW_KEY = "The key for sealed texts is new: start the bridge again, and pair every phone again, so that it can read them."
FORGOTTEN = "The relay {url} has forgotten the old secret: {count} phone(s) under it get nothing any more."
ASK = """\
The relay {url} takes only secrets that its operator knows. Before the phones pair again, ask the operator to run:
  relay secret add NAME --hash {hash}
The hash is not the secret, and lets nobody push.
"""
STILL_WORKS = """\
The old secret still works: the relay {url} could not be told ({reason}).
It is kept aside, and revoked when the bridge or relay pair starts next and the relay answers.
"""


async def pair(
    options: BridgeOptions,
    *,
    out: TextIO,
    notes: TextIO,
    connect: bool = False,
    output: Path | None = None,
    rotate: bool = False,
    new_key: bool = False,
) -> None:
    """Show the pairing on `out`, or save it as a picture in `output`; what else is to be known on `notes`.

    Raises BridgeError, one sentence.
    """
    if connect and output is not None:
        raise OptionError(
            "--connect puts a code for one use into the pairing, which is never stored: leave out --output"
        )
    async with open_client() as http:
        if new_key:
            rotate_key(options)
            print(NEW_KEY, file=notes)
        shown = await _pairing(http, options, connect, notes, rotate)
    if output is None:
        show_pairing(shown, out)
    else:
        save_pairing(shown, output)
        print(f"Scan {output} with the app; whoever sees it can push to your phones.", file=out)
    for sentence in lacks(shown, password=bool(options.password)):
        print(sentence, file=notes)


async def _pairing(
    http: aiohttp.ClientSession, options: BridgeOptions, connect: bool, notes: TextIO, rotate: bool
) -> Pairing:
    place = await _place(Discovery(http, options, os.environ), connect)
    link = await connect_link(http, place) if connect and place else None
    if rotate:
        rotate_secret(options)
        print("The secret is new: start the bridge again, and pair every phone again.", file=notes)
    for relay_url, said in await forget_replaced(http, secret_file(options), options.relay_url, os.environ):
        words = STILL_WORKS if said.count is None else FORGOTTEN
        print(words.format(url=relay_url, reason=said.reason, count=said.count), file=notes)
    if rotate:
        await _ask_operator(http, options, notes)
    url = place.address.url if place else options.opencode_url
    shown = await pairing_of(replace(options, opencode_url=url))
    if link is None or place is None:
        return shown
    print(CONNECT_NOTE.format(place=place), file=notes)
    if all(is_local(urlsplit(host).hostname or "") for host in shown.hosts):
        print(ONLY_HERE.format(url=url, listen=LISTEN[place.address.managed]), file=notes)
    return msgspec.structs.replace(shown, connect=link)


async def _ask_operator(http: aiohttp.ClientSession, options: BridgeOptions, notes: TextIO) -> None:
    secret = relay_secret(options)
    found = await count_phones(http, options.relay_url, secret, os.environ)
    if found.refused == "secret_unknown":
        url = contract.normal_relay_url(options.relay_url)
        print(ASK.format(url=url, hash=contract.secret_hash(secret)), file=notes)


async def _place(discovery: Discovery, needed: bool) -> Place | None:
    """The server, which has to be there only if something is wanted of it."""
    if discovery.given is not None and not needed:
        return None
    try:
        return (await discovery.find()).place
    except OpenCodeError:
        if needed:
            raise
        return None


async def connect_link(http: aiohttp.ClientSession, place: Place) -> str:
    """The path of a fresh link. Raises OptionError if this server makes none, OpenCodeError if it does not answer as it should."""
    if place.generation != OPENCODE_2:
        raise OptionError(
            f"{place} has no connect links, OpenCode 2 has: leave out --connect, and give the app OpenCode's password if it has one"
        )
    if not makes_links(place.version):
        raise too_old(place)
    try:
        return f"/auth/connect/{await OpenCode(http, place.address).connect_code()}"
    except (NotFound, NotOpenCode):
        raise too_old(place) from None


def makes_links(version: str) -> bool:
    """Whether a release makes links for one use; one with a number that nobody knows is asked. Pure."""
    number = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return number is None or tuple(int(part) for part in number.groups()) >= SINCE


def too_old(place: Place) -> OptionError:
    """Why there is no link."""
    return OptionError(
        f"{place} makes no connect links for one use, 2.0.17 and later do: opencode upgrade, or leave out --connect"
    )
