"""The search space and the choices in it: its graph, the architecture, pruning. No torch."""
