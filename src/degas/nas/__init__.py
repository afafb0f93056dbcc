"""The search: a supernet fitted to images without a critic, then pruned to an architecture."""
