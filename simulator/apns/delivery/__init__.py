"""What becomes of a push that APNs has accepted."""
