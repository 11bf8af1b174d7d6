"""`relay doctor --contract`: whether a running OpenCode 2 still has what the bridge reads, by the server's own API document."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from relay.bridge.errors import NotFound, NotOpenCode, OptionError
from relay.bridge.sources.discovery import Discovery, Place
from relay.bridge.sources.generations import OPENCODE_2
from relay.bridge.sources.http import Server
from relay.bridge.sources.opencode2.drift import Difference, differences, undescribed
from relay.doctor.finding import Case


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between a server's document and what the bridge knows of OpenCode 2."""

    place: Place
    differences: tuple[Difference, ...]
    undescribed: tuple[str, ...] = ()
    """The routes and events whose fields the document does not say."""

    @property
    def ok(self) -> bool:
        """Whether all that the bridge reads is there: what is new is skipped, and does no harm."""
        return all(one.kind == "new" for one in self.differences)

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"{self.place}, compared with what the bridge knows of OpenCode 2:"
        for one in self.differences:
            yield f"{one.kind:<8} {one.where}: {one.said}"
        if self.undescribed:
            yield f"The document does not say the fields of {', '.join(self.undescribed)}: they were not compared."
        counts = Counter(one.kind for one in self.differences)
        if self.ok:
            new = f"; {counts['new']} new, which it skips" if counts["new"] else ""
            yield f"Everything that the bridge reads is there{new}."
        else:
            yield (
                f"{counts['missing']} missing, {counts['changed']} changed, {counts['new']} new: what is missing or changed "
                "may cost alerts; look for a newer release of this bridge, or update OpenCode if it is older than 2.0.6."
            )

    def as_json(self, in_ascii: bool = False) -> str:
        """`{ok, url, version, differences: [{kind, where, said}], undescribed}`."""
        said = {
            "ok": self.ok,
            "url": self.place.address.url,
            "version": self.place.version,
            "differences": [asdict(one) for one in self.differences],
            "undescribed": self.undescribed,
        }
        return json.dumps(said, indent=2, ensure_ascii=in_ascii)


async def compared(http: aiohttp.ClientSession, case: Case) -> Comparison:
    """The server that the bridge would follow, compared. Raises OptionError if it is of generation 1, else OpenCodeError."""
    place = (await Discovery(http, case.options, case.environment).find()).place
    if place.generation != OPENCODE_2:
        raise OptionError(f"{place} is not compared: --contract is about OpenCode 2")
    try:
        document = await Server(http, place.address).get("/openapi.json", dict[str, Any])
    except (NotFound, NotOpenCode) as error:
        raise NotOpenCode(f"{place} shows no API document: {error}") from None
    if not document.get("paths"):
        raise NotOpenCode(f"{place} has an API document without any route")
    return Comparison(place, tuple(differences(document)), tuple(undescribed(document)))
