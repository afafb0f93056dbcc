"""The network that holds all candidates, mixed in kernel space."""
