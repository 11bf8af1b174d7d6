"""Alerts: which pushes an event asks for, and what becomes of each."""
