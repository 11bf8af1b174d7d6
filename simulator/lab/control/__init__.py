"""The HTTP API over a lab: what a person or a test does to APNs and its phones while a provider pushes to them."""
