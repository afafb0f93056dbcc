"""Measurements by fits of GLO alone: found against drawn, evolution, sizes, rates."""
