"""HTTP/2 for exactly one job: pushes in, outcomes out (RFC 9113). Policy is one folder up."""
