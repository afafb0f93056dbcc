"""How α moves: its step, penalties, relaxation, second order."""
