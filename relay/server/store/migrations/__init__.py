"""Schema history, applied by `relay migrate` and at `relay serve`; written by `tortoise makemigrations`."""
