"""What about the phone matters to Live Activities. No I/O."""

from dataclasses import dataclass

from simulator.phone.profile import Delay, Profile


@dataclass(frozen=True, slots=True)
class Conditions:
    """The phone as it is at one moment. `bright` is false with the screen off or in Low Power Mode."""

    ios: tuple[int, ...]
    foreground: bool = False
    live_activities: bool = True
    frequent_updates: bool = True
    bright: bool = True
    dynamic_island: bool = True

    def power_delay(self, profile: Profile) -> Delay:
        """How long a push of priority 5 takes now."""
        return profile.delay_screen_on if self.bright else profile.delay_screen_off


def version(ios: str) -> tuple[int, ...]:
    """An iOS version to compare with others. ValueError if it is none."""
    try:
        return tuple(int(part) for part in ios.split("."))
    except ValueError:
        raise ValueError(f"{ios!r} is no iOS version") from None
