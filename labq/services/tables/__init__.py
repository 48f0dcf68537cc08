"""Lists as LAVA's clients ask for them: any filter of many, an order, a limit and an offset."""
