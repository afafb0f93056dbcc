"""Reports from the files of a run: reads JSON, JSONL and PNG, writes HTML and drawings; never loads a model."""
