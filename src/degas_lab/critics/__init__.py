"""The search of a critic: a proposer with mixed operations, and a judge that trains generators against candidates."""
