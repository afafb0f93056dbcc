"""The public artefact: a generator that loads without the code that trained it."""
