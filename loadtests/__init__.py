"""Load tests: what the relay bears, and how the phone's budget throttles."""
