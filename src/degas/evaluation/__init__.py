"""Scores of images against a data set: FID, KID, IS, precision and recall, however the images were made."""
