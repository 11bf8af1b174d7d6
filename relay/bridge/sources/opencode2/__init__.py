"""OpenCode's second generation (2.0.6 and later) as a source of changes."""
