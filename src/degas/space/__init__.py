"""The search space: its graph, architectures, pruning. No torch."""
