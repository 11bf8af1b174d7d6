"""How many pushes one device token may get: a token bucket for each, made when it is first used."""

from simulator.apns.profile import Rate


class Buckets:
    """Levels by device token. A full bucket holds `rate.burst` pushes; times are UNIX seconds."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def left(self, token: str, rate: Rate | None, now: float) -> float:
        """What may still be sent now; infinity without a rate."""
        if rate is None:
            return float("inf")
        level, at = self._levels.get(token, (float(rate.burst), now))
        return min(float(rate.burst), level + (now - at) * rate.per_second)

    def take(self, token: str, rate: Rate | None, now: float) -> None:
        """One push was accepted."""
        if rate is not None:
            self._levels[token] = (self.left(token, rate, now) - 1, now)
