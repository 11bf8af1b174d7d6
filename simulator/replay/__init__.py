"""`simulator replay` and `simulator demo`: whole worlds of fakes, relay and bridge, and what a phone showed in them."""
