"""What a lab was like at its start, for a reset that brings it back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulator.apns.registry import SigningKey
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab


class FirstState:
    """Apps, keys, tokens and the one phone of a lab that is new."""

    def __init__(self, lab: Lab) -> None:
        registry = lab.sandbox.registry
        self._tokens = {realm: dict(tokens) for realm, tokens in registry.tokens.items()}
        self._keys: dict[str, SigningKey] = {name: replace(key) for name, key in registry.keys.items()}
        self._own = dict(lab.keys)
        self._apps, self._topics = dict(registry.apps), dict(registry.topics)
        self._of_device = lab.devices[0].tokens

    def restore(self, lab: Lab, spec: DeviceSpec, profile: str) -> None:
        """All of it is as it was, and what happened is forgotten; connections and the time go on."""
        registry, sandbox = lab.sandbox.registry, lab.sandbox
        for device in lab.devices:
            lab.remove_device(device.spec.name)
        for realm, tokens in self._tokens.items():
            for bundle_id in registry.apps:
                for channel_id in tuple(sandbox.channels.ids(realm, bundle_id)):
                    sandbox.delete_channel(realm, bundle_id, channel_id)
            _become(registry.tokens[realm], tokens)
        _become(registry.keys, {name: replace(key) for name, key in self._keys.items()})
        _become(lab.keys, self._own)
        _become(registry.apps, self._apps)
        _become(registry.topics, self._topics)
        for token in self._of_device.values():
            registry.reactivate(token)
        lab.add_device(spec, self._of_device)
        sandbox.profile.become(profile)
        lab.reset()


def _become(present: dict[Any, Any], wanted: Mapping[Any, Any]) -> None:
    present.clear()
    present.update(wanted)
