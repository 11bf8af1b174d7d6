"""What both stories share: phones, a journal, and the pictures of them."""

from typing import Any

from simulator.drawing import dynamic_island, lock_screen, messages, sequence_diagram
from simulator.journal import Entry
from simulator.phone.phone import Phone
from simulator.replay.report import activities
from simulator.world import World
from story import alt_texts
from story.pictures import HttpRequest, Picture, Table

Json = dict[str, Any]


class Stage:
    """Phones and the journal of everything around them. `times`: whether diagrams show the time."""

    times = True

    def __init__(self, world: World) -> None:
        self.world, self.journal, self.phones = world, world.journal, world.phones
        self._began = self._seen = self._rung = 0

    @property
    def phone(self) -> Phone:
        """The first phone."""
        return self.phones[0]

    def now(self) -> float:
        """UNIX seconds of the story's clock."""
        return self.world.clock.now()

    def lock_screen(self, phone: Phone | None = None) -> Picture:
        """What a person sees on the phone now (the first one unless another is given)."""
        phone = phone or self.phone
        cards = list(phone.screen.slots(self.now()).values())
        seen = phone.screen.notifications, cards, self.now(), phone.name
        return Picture(lock_screen.lock_screen(*seen), alt_texts.of_lock_screen(*seen))

    def island(self, phone: Phone | None = None) -> Picture:
        """The Dynamic Island of a phone: what runs, small and expanded."""
        phone = phone or self.phone
        running = {activity.id for activity in phone.activities.active}
        cards = [card for name, card in phone.screen.slots(self.now()).items() if name in running]
        return Picture(dynamic_island.dynamic_island(cards), alt_texts.of_island(cards))

    def sequence(self, *, whole: bool = False) -> Picture:
        """Who sent what to whom since the last call, or since the beginning of the story if `whole`."""
        news = self.happened()
        found = messages.messages(self.journal.entries()[self._began :] if whole else news)
        drawing = sequence_diagram.sequence_diagram(found, times=self.times)
        return Picture(drawing, alt_texts.of_sequence(found))

    def happened(self) -> list[Entry]:
        """The journal's entries since this, or `sequence`, was called last."""
        entries = self.journal.entries()
        since, self._seen = self._seen, len(entries)
        return entries[since:]

    def begun(self) -> None:
        """What has happened so far is not part of the story."""
        self.happened()
        self._began = self._seen

    def pushes(self, push_type: str | None = None) -> list[Entry]:
        """Every push that reached APNs, with how it was answered: `entry.detail`."""
        found = self.journal.entries("apns", "push")
        return [entry for entry in found if push_type in (None, entry.detail["push_type"])]

    def sent(self, push_type: str, kind: str) -> HttpRequest:
        """The newest push of a type as it came to APNs: an "alert" of an eventType, a "liveactivity" with an event.

        Of several at the same time it is always the same one. Raises ValueError if there was none.
        """
        found = [
            kept for kept in self.world.apns.requests.since(0)
            if kept.request.push_type == push_type and kind in _kinds(kept.request.payload() or {})
        ]  # fmt: skip
        newest = max(found, key=lambda kept: (kept.entry.at, kept.request.path)).request
        return HttpRequest(newest.path, newest.headers, newest.payload() or {})

    def answers(self) -> Table:
        """How APNs answered each push since this, `happened` or `sequence` was called last, and in which environment."""
        pushes = [entry.detail for entry in self.happened() if (entry.where, entry.what) == ("apns", "push")]
        return Table([{
            "push": push["push_type"], "environment": push["realm"], "answer": push["reason"] or "200",
        } for push in pushes])  # fmt: skip

    def rings(self) -> list[Json]:
        """What rang on the first phone since this was called last: `title`, `body`, `eventType` and more."""
        since, self._rung = self._rung, len(self.phone.showings)
        return self.phone.showings[since:]

    def cards(self, *columns: str) -> Table:
        """The Live Activities so far, one row each; `columns` are some of those below. One that another took the place of is left out."""
        rows = [_card(card) for card in activities(self.journal.entries("phone")) if not card["replaced"]]
        return Table([{name: row[name] for name in columns} for row in rows])


def _kinds(payload: Json) -> set[str | None]:
    """What a push is called: its eventType, or the event of its Live Activity."""
    return {payload.get("eventType"), payload.get("aps", {}).get("event")}


def _card(card: Json) -> Json:
    last = card["states"][-1]
    return {
        "title": last["sessionTitle"],
        "started by": card["how"],
        "statuses": " → ".join(dict.fromkeys(state["status"] for state in card["states"])),
        "ended": "yes" if card["ended"] else "no",
        "last status": last["status"],
        "says": last["lastMessage"],
    }
