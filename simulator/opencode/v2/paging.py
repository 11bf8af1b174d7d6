"""Pages of a list, and the cursors that lead from one to the next. No I/O.

A cursor is base64 of JSON: where the page ended and what was asked, so that it stands alone.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.opencode.script import Json
from simulator.opencode.v2.requests import choice, invalid_cursor, number

DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for: how many, in which order, after (or before) which item; `filters` come from the cursor if there is one."""

    limit: int
    order: str
    filters: Mapping[str, str]
    item_id: str | None = None
    forward: bool = True


def asked(query: Mapping[str, str], filters: tuple[str, ...], most: int | None = None) -> Page:
    """The page that a query names. Raises Refused (400)."""
    limit = number(query, "limit", DEFAULT_PAGE, most)
    cursor = query.get("cursor")
    if cursor is None:
        order = choice(query.get("order", "desc"), "order", ("desc", "asc"), "Order", "Query")
        return Page(limit, order, {key: query[key] for key in filters if key in query})
    if any(key in query for key in (*filters, "order")):
        raise invalid_cursor()
    try:
        said = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return Page(limit, said["order"], said.get("filters", {}), said["id"], said["direction"] == "next")
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise invalid_cursor() from None


def page(newest_first: list[Json], wanted: Page, keep: Callable[[Json], bool]) -> Json:
    """`{data, cursor}`: every page that is not empty has both cursors; the last one is empty."""
    ordered = newest_first if wanted.order == "desc" else newest_first[::-1]
    kept = [one for one in ordered if keep(one)]
    places = [one["id"] for one in kept]
    if wanted.item_id is None:
        chosen = kept[: wanted.limit]
    elif wanted.item_id not in places:
        chosen = []
    elif wanted.forward:
        chosen = kept[places.index(wanted.item_id) + 1 :][: wanted.limit]
    else:
        chosen = kept[: places.index(wanted.item_id)][-wanted.limit :]
    ends = {"previous": chosen[0], "next": chosen[-1]} if chosen else {}
    return {"data": chosen, "cursor": {name: _cursor(wanted, one["id"], name) for name, one in ends.items()}}


def _cursor(wanted: Page, item_id: str, direction: str) -> str:
    said: Json = {"id": item_id, "order": wanted.order, "direction": direction}
    if wanted.filters:
        said["filters"] = dict(wanted.filters)
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
