"""How a finished search is decided: pruning rules, races, caps, settling."""
