"""What is seen on a picture, in words: for screen readers, for terminals, and where a picture cannot be shown. No I/O."""

from collections.abc import Iterable, Mapping, Sequence

from simulator.drawing import lock_screen
from simulator.drawing.messages import Message
from simulator.drawing.sequence_diagram import PARTS
from simulator.phone.notifications import Notification
from simulator.phone.screen import Slots

MOST_MESSAGES = 12
"""Of a sequence diagram; the others are counted."""
MOST_CHARACTERS = 120
"""Of one text on a screen, about what is seen of it."""


def of_lock_screen(
    notifications: Sequence[Notification], activities: Sequence[Slots], now: float, name: str
) -> str:
    """The cards from the top to the bottom; those without a place on the screen are counted. The clock is left out."""
    cards = [f"Live Activity {_card(one)}" for one in activities]
    cards += [f"notification {_titled(one.title, one.body)}" for one in notifications]
    seen = len(lock_screen.places(notifications, activities, now))
    rest = [f"{len(cards) - seen} more"] if len(cards) > seen else []
    return f"Lock screen of {name}: {'; '.join(cards[:seen] + rest) or 'no notifications'}"


def of_island(activities: Sequence[Slots]) -> str:
    """What the first activity, which owns the island, shows in it, and who shares it."""
    if not activities:
        return "Dynamic Island: no Live Activity"
    small = "minimal, two signs" if activities[1:] else f"compact, {activities[0].compact_trailing}"
    return f"Dynamic Island: {small}; expanded, {_card(activities[0])}"


def of_sequence(messages: Sequence[Message]) -> str:
    """The rows of a sequence diagram, the first of them in words."""
    rows = [_row(message) for message in messages[:MOST_MESSAGES]]
    left = len(messages) - len(rows)
    return f"Who sent what: {'; '.join([*rows, *([f'{left} more'] if left else [])]) or 'nothing'}"


def of_timeline(title: str, rows: Mapping[str, Iterable[float]], unit: str) -> str:
    """How many marks each line of a timeline has, and between when."""
    return (
        f"Chart: {title}. {'; '.join(_marks(name, sorted(moments), unit) for name, moments in rows.items())}"
    )


def of_steps(title: str, of: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Where each line of a chart begins, how high it gets, and where it ends."""
    return f"Chart: {title}. {'; '.join(_line(name, of, points) for name, points in lines.items())}"


def _card(slots: Slots) -> str:
    if not slots.banner:
        return "that the app's widget cannot read"
    title, word, *texts = slots.banner
    return _titled(f"{title}, {word}", ", ".join(texts))


def _titled(title: str, text: str) -> str:
    return ": ".join(_shortened(part) for part in (title, text) if part)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1].rstrip()}…"


def _row(message: Message) -> str:
    sender, receiver = (PARTS.get(name, name) for name in (message.sender, message.receiver))
    text = f"{message.text} (refused)" if message.refused else message.text
    return f"{sender}: {text}" if sender == receiver else f"{sender} to {receiver}: {text}"


def _marks(name: str, moments: Sequence[float], unit: str) -> str:
    if not moments:
        return f"{name}: none"
    return f"{name}: {len(moments)}, from {moments[0]:.1f} to {moments[-1]:.1f} {unit}"


def _line(name: str, of: str, points: Sequence[tuple[float, float]]) -> str:
    values = [value for _, value in points]
    return f"{name}: {values[0]:g} {of} first, {max(values):g} at most, {values[-1]:g} at the end"
