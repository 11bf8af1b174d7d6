"""Broadcast channels: managed, and pushed to."""
