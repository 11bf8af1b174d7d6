"""A server of generation 2: REST, one event stream for all directories, recordings."""
