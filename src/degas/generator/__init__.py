"""The public artefact: a generator that loads without the training code."""
