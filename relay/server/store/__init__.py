"""The queries, as functions over a Database. Nobody else touches the tables.

Raw SQL through Tortoise's connection: a third to a fifth of the cost of its query builder. Every function is one short
statement, or says why not; there are no transactions, so a cancelled caller leaves nothing open.
"""
