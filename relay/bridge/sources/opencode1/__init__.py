"""OpenCode, generation 1: its stream and REST routes, folded into changes."""
