"""Pure: the life of one Live Activity on one phone, from the first state to the last. No I/O."""
