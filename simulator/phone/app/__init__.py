"""The app on the phone."""
