"""What may be, and what was chosen: the graph of the search space, the architecture, pruning. No torch."""
