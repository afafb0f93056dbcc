"""Images and labels: from a folder, an archive, a hub data set or an embedded set to uint8 batches."""
