"""Pictures from numbers: drawings of architectures, curves, grids of images."""
