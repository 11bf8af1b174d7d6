"""The bridge's own HTTP routes."""
