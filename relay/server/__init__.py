"""`relay serve` and `relay migrate`: keeps tokens, turns events into pushes, and sends them."""
