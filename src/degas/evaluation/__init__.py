"""Measuring images against a data set: FID, KID, IS, precision and recall. Knows not how they were made."""
