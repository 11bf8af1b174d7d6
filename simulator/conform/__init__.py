"""Runs files of acceptance cases against a fresh sandbox, over real TLS and HTTP/2, by a client of its own."""
