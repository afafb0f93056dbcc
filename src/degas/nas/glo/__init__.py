"""GLO, the paper's search signal: one learned latent an image, reconstruction loss."""
