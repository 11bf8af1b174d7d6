"""A fake iPhone with the app on it."""
