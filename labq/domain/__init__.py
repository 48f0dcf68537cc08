"""The nouns of the lab: states, plans, events, orders, errors. Standard library only, no I/O."""
