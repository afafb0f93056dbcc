"""Every setting, the presets, and the completion of a user's settings."""
