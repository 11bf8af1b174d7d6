"""/admin: what the relay does, for its operator, as pages that need no script and load nothing from elsewhere."""
