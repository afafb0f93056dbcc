"""The one exception that stands for a mistake of the user's, and what is worth a line. Standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input or usage: what is wrong, where, and how to mend it, in one line.

    The command line prints the message without a traceback and exits with status 2.
    """


class Notice(UserWarning):
    """Worth knowing though nothing is wrong; the command line shows it without the word "warning"."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'conv_3x3'?"` for the valid choice closest to `word`, or the list of all choices."""
    valid = sorted(choices)
    close = difflib.get_close_matches(word[:100], valid, n=1)  # no name is that long, and comparing takes time
    return f"; did you mean '{close[0]}'?" if close else f"; choose from {', '.join(valid)}"
