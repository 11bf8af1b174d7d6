"""The relay HTTP routes: events, registrations, and the JSON around all of them."""
