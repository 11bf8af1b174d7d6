"""`relay doctor`: walks the chain from OpenCode to the phone, and says at each step whether it holds, or what to do."""
