"""Measurements by GLO fits alone: found against drawn architectures, evolution, sizes, rates."""
