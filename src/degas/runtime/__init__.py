"""The base of every stage: randomness, checkpoints, run folders, progress, devices, signals. Knows no images."""
