"""A server of generation 1: REST, event streams, recordings."""
