"""GLO, the paper's search signal: one learned latent per image, reconstruction loss."""
