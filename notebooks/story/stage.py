"""What both stories share: phones, a journal, and the pictures of them."""

from simulator.drawing import dynamic_island, lock_screen, messages, sequence_diagram
from simulator.journal import Entry
from simulator.phone.phone import Phone
from simulator.world import World
from story.pictures import Picture


class Stage:
    """Phones and the journal of everything around them. `times`: whether diagrams show the time."""

    times = True

    def __init__(self, world: World) -> None:
        self.world, self.journal, self.phones = world, world.journal, world.phones
        self._began = self._seen = 0

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
        return Picture(lock_screen.lock_screen(phone.screen.notifications, cards, self.now(), phone.name))

    def island(self, phone: Phone | None = None) -> Picture:
        """The Dynamic Island of a phone: what runs, small and expanded."""
        phone = phone or self.phone
        running = {activity.id for activity in phone.activities.active}
        cards = [card for name, card in phone.screen.slots(self.now()).items() if name in running]
        return Picture(dynamic_island.dynamic_island(cards))

    def sequence(self, *, whole: bool = False) -> Picture:
        """Who sent what to whom since the last call, or since the beginning of the story if `whole`."""
        news = self.happened()
        found = messages.messages(self.journal.entries()[self._began :] if whole else news)
        return Picture(sequence_diagram.sequence_diagram(found, times=self.times))

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
