"""A search whose judge is the GAN: GLO proposes candidates inside families, short trainings decide."""
