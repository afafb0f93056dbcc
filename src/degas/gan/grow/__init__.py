"""A growing training: one run in stages at growing image sizes, each of which takes over networks of the one before."""
