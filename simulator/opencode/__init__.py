"""A fake OpenCode server: REST, event streams, recordings."""
