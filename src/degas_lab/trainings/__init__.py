"""Measurements by adversarial trainings: objectives, labels, rank correlations."""
