"""An APNs sandbox: real HTTP/2 and TLS, ordered checks, two token realms."""
