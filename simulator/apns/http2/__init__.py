"""The server's end of HTTP/2 (RFC 9113): bytes in, requests out; responses in, bytes out."""
