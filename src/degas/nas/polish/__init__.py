"""The last step of a search: fits of the found architecture and of its neighbours alone (`--search.polish`)."""
