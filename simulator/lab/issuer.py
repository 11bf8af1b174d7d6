"""APNs as one app on one phone sees it: it hands out tokens, and pushes for them reach that phone."""

from collections.abc import Mapping

from simulator.apns.delivery.device import Device
from simulator.apns.registry import Kind, Realm, Registry
from simulator.clock import Clock


class Issuer:
    """Issues tokens of one bundle id and realm. `remembered` tokens, which the registry must know, are given out first.

    Tokens that were issued before there was a `device` lead to it as soon as `lead_to` names it.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        bundle_id: str,
        realm: Realm,
        remembered: Mapping[Kind, str] | None = None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._bundle_id = bundle_id
        self._realm: Realm = realm
        self._remembered = dict(remembered or {})
        self._device: Device | None = None
        self.issued: dict[str, Kind] = {}

    def lead_to(self, device: Device | None) -> None:
        """From now on all its tokens lead to this device; None: to nobody."""
        self._device = device
        for token in self.issued:
            self._registry.attach(token, device)

    def issue(self, kind: Kind) -> str:
        """A token of this kind, in lower-case hex."""
        token = self._remembered.pop(kind, None)
        if token is None:
            token = self._registry.mint_token(self._bundle_id, self._realm, kind)
        self.issued[token] = kind
        self._registry.attach(token, self._device)
        return token

    def expire(self, token: str) -> None:
        """Its activity is over, or has another token now: APNs answers 410."""
        self._registry.expire(token, self._clock.now())

    def retire(self, keep: frozenset[str]) -> None:
        """The phone gives way to a new one, which has the tokens `keep`, alive again; all others have expired."""
        self.lead_to(None)
        for token in self.issued:
            (self._registry.reactivate if token in keep else self.expire)(token)

    def newest(self, kind: Kind) -> str | None:
        """The token of this kind that was issued last."""
        return next((token for token, one in reversed(self.issued.items()) if one == kind), None)
