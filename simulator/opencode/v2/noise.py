"""What a location announces when it has loaded: some seventy events of no session, which no client needs."""

from simulator.opencode.scheduler import Event

TO_NOISE = 0.25
"""Seconds from the first request that needs a location to its announcements."""
_KINDS = (
    "agent command skill reference integration plugin websearch provider model provider model config catalog"
)
_PLUGINS = 65


def boot_noise(version: str) -> list[Event]:
    """The burst: a beta names each of its plugins, later versions say of each catalog that it changed."""
    if version.startswith("0."):
        named = [("plugin.added", {"id": f"plugin-{number}"}) for number in range(_PLUGINS)]
        return [*named, *((f"{kind}.updated", {}) for kind in _KINDS.split()[:6])]
    kinds = [kind for kind in _KINDS.split() if kind not in ("config", "catalog")]
    return [(f"{kind}.updated", {}) for kind in kinds * 7]
