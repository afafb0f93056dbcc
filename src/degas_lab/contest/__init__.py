"""A search judged by GAN training: GLO proposes candidates within families, short trainings decide."""
