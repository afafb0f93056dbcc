"""The training of α: its step, penalties, relaxation, second order."""
