"""The pairing of phones with this machine: secret, addresses, QR code and link."""
