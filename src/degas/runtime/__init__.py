"""What every stage stands on: randomness, checkpoints, run folders, progress, devices, signals. Knows no images."""
