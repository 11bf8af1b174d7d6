"""The server's end of HTTP/2 (RFC 9113): bytes in, requests out; answers in, bytes out."""
