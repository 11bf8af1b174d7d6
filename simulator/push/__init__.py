"""`simulator push`: one push to a running sandbox over TLS and HTTP/2, and what became of it."""
