"""A grown search: a chain of ordinary searches at growing image sizes, each with the one before as its prefix."""
