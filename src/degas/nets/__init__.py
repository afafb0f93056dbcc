"""The networks: operations, backbone, generator, baselines, critic. Knows no settings, optimiser or loss."""
