"""Pictures and pages made from the files of a run: JSON, JSONL and PNG in, HTML and drawings out; never a model."""
