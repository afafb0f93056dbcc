"""Every setting, the presets, and what a user gives made complete."""
