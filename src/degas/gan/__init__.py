"""Adversarial training. Knows no supernet, no latents, no evaluation."""
