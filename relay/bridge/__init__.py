"""Beside an unmodified `opencode serve`: watches its sessions and forwards few and right events to the relay."""
