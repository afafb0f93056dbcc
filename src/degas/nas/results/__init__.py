"""What a search writes: outputs, consensus, agreement, warnings of degenerate ends."""
