"""What revisions in `migrations/` are made of, and the check that refuses one that stops a big table.

Nothing here knows the models: a revision outlives them.
"""
