"""Push relay for OpenCode: keeps APNs tokens by the hash of a shared secret and turns events into pushes."""

__version__ = "0.1.0"
