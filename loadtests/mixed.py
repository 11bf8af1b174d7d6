"""A day in minutes: sessions at work, idle phones, new tokens, removed apps, APNs that falters, relays that die.

    python -m loadtests.mixed [--minutes 3] [--households 4] [--out FOLDER]

Real relays (one process on SQLite; two on MariaDB where it is installed), the APNs sandbox as Apple limits it, and whole phones
with apps that register their cards' tokens. What must hold is counted on the phones: no alert lost, none shown twice, every
card ends as its session did, and what APNs calls dead is no longer registered. Not lost, but `waiting`, is what APNs answered
5xx: Apple wants a provider to wait for 15 minutes then. `loadtests.day` has the plan of the day.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from loadtests.accounts import Alert, account
from loadtests.command import amount, conclude, count, run
from loadtests.day import ALERTING, PHONES, Change, Day, Deed, Session, day
from loadtests.fleet import Fleet
from loadtests.servers import mariadb
from loadtests.summary import OUT, Threshold, table
from simulator.apns.faults.document import load

PATIENCE: Final = 90.0
"""Seconds after the day's end for what is still on its way."""
STILL: Final = 5.0
"""Seconds for which something may still come a second time, after all has come once."""

DOWN_SECONDS: Final = 1.0
FAULTS: Final = {
    "lost": "alerts lost",
    "doubled": "alerts shown twice",
    "strange": "alerts of somebody else",
    "cards_wrong": "cards that did not end as their session",
    "dead_tokens": "dead tokens still registered",
}

Row = dict[str, Any]


async def live(fleet: Fleet, plan: Day) -> list[Alert]:
    """The day; the alerts that had to ring."""
    for fault in load(plan.faults):
        fleet.apns.faults.add(fault)
    alerts: list[Alert] = []
    began = fleet.clock.now()
    async with asyncio.TaskGroup() as group:
        group.create_task(_progress(fleet, plan, began, alerts))
        group.create_task(_befall(fleet, plan.deeds, began))
        for session in plan.sessions:
            group.create_task(_work(fleet, session, began, alerts))
    return alerts


async def _progress(fleet: Fleet, plan: Day, began: float, alerts: list[Alert]) -> None:
    for tenth in range(1, 11):
        await _until(fleet, began + plan.seconds * tenth / 10)
        shown = sum(len(user.phone.showings) for user in fleet.everybody)
        print(f"{tenth * 10:>3} % of the day: {len(alerts)} alerts reported, {shown} shown", flush=True)


async def _work(fleet: Fleet, session: Session, began: float, alerts: list[Alert]) -> None:
    """Report every change at its time, one after the other, as a bridge does."""
    for change in session.changes:
        await _until(fleet, began + session.begins + change.at)
        event = _event(session, change)
        if change.event_type in ALERTING:
            alerts.append(Alert(event["body"], session.household, fleet.clock.now()))
        await fleet.report(session.household, event)


def _event(session: Session, change: Change) -> dict[str, Any]:
    message = f"{session.name}-{change.number}"
    return {
        "eventID": message,
        "eventType": change.event_type,
        "sessionID": session.name,
        "title": session.name,
        "body": message,
        "contentState": {"status": change.status, "sessionTitle": session.name, "lastMessage": message},
    }


async def _befall(fleet: Fleet, deeds: Sequence[Deed], began: float) -> None:
    for deed in deeds:
        await _until(fleet, began + deed.at)
        print(f"      {deed.what}" + (f", phone {deed.household}/{deed.phone}" if deed.phone >= 0 else ""))
        await _do(fleet, deed)


async def _do(fleet: Fleet, deed: Deed) -> None:
    if deed.what in ("restart", "kill"):
        for relay in fleet.relays:
            await (relay.kill() if deed.what == "kill" else relay.stop())
            await asyncio.sleep(DOWN_SECONDS)
            await relay.start()
        return
    user = fleet.users[deed.household][deed.phone]
    if deed.what == "new token":
        await fleet.replace_token(user)
    elif deed.what == "uninstall":
        fleet.uninstall(user)
    else:
        fleet.switch(user, online=deed.what == "online")


async def _until(fleet: Fleet, at: float) -> None:
    await asyncio.sleep(max(0.0, at - fleet.clock.now()))


async def completed(fleet: Fleet, plan: Day, alerts: Sequence[Alert]) -> list[Row]:
    """A row for each phone, and one for all: soon after nothing is missing, or when patience is over."""
    ends = fleet.clock.now() + PATIENCE
    while True:
        rows = await _rows(fleet, plan, alerts)
        missing = sum(row[fault] for row in rows for fault in FAULTS if fault in row)
        if fleet.clock.now() > ends:
            return rows
        if not missing:
            ends = min(ends, fleet.clock.now() + STILL)
        await asyncio.sleep(1.0)


async def _rows(fleet: Fleet, plan: Day, alerts: Sequence[Alert]) -> list[Row]:
    endings = {session.name: session.ending for session in plan.sessions}
    found = [
        {"phone": one.phone.name, **account(alerts, await fleet.shown_on(one), endings)}
        for one in fleet.everybody
    ]
    alive = sum(one.phone.device.app_installed for one in fleet.everybody)
    whole = {name: sum(row[name] for row in found) for name in found[0] if name != "phone"}
    more = {"dead_tokens": abs(await fleet.registrations() - alive), "retried": fleet.retried}
    return [{"phone": "all", **whole, **more}, *found]


def thresholds(rows: Sequence[Row]) -> Iterator[Threshold]:
    """Nothing may be wrong, and something must have been tried."""
    for row in rows:
        if row["phone"] != "all":
            continue
        for name, words in FAULTS.items():
            yield Threshold(words, row[name], "at most", 0, row["setup"])
        yield Threshold("alerts that had to ring", row["alerts"], "at least", 1, row["setup"])
        yield Threshold("cards", row["cards"], "at least", 1, row["setup"])


@asynccontextmanager
async def _fleets(households: int) -> AsyncIterator[list[tuple[str, Fleet]]]:
    """By setup: one relay on SQLite, two on MariaDB."""
    with mariadb() as database:
        found = [("one relay, SQLite", Fleet(households, PHONES))]
        if database is None:
            print("MariaDB is not installed: two relays are left out", flush=True)
        else:
            found.append(
                ("two relays, MariaDB", Fleet(households, PHONES, relays=2, database_url=database.url))
            )
        yield found


async def measure(minutes: float, households: int) -> list[Row]:
    """The same day with every setup, one after the other."""
    rows: list[Row] = []
    plan = day(minutes * 60, households, Random(1))
    async with _fleets(households) as fleets:
        for setup, unopened in fleets:
            print(
                f"{setup}: {len(plan.sessions)} sessions, {households * PHONES} phones, {minutes:g} minutes"
            )
            async with unopened as fleet:
                rows += [
                    {"setup": setup} | row for row in await completed(fleet, plan, await live(fleet, plan))
                ]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Lives the day with each setup; 1 if something was wrong on a phone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=amount, default=3.0, help="of a day")
    parser.add_argument("--households", type=count, default=4, help="one of them idle")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows = asyncio.run(measure(options.minutes, options.households))
    print(table([row for row in rows if row["phone"] == "all"]))
    return conclude("mixed", rows, list(thresholds(rows)), folder=options.out, minutes=options.minutes)


if __name__ == "__main__":
    run(main)
