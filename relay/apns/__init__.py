"""The APNs side of the relay: what a push is, how it is sent, what the answer means."""
