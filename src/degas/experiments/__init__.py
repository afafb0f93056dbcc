"""Recipes over the stages: the paper's tables and our own measurements, each resumable trial by trial."""
