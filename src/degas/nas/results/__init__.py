"""The results of a search: outputs, consensus, agreement, warnings of degenerate results."""
