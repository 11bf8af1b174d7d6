"""Random requests against every route of relay, bridge and control API, over real sockets, to processes started as people do."""
