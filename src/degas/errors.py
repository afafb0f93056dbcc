"""The exception for a user's mistake, and the warning for a notice. Standard library only."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable


class UserError(Exception):
    """Bad input or usage: what is wrong, where, and how to mend it, in one line.

    The command line prints the message without a traceback and exits with status 2.
    """


class Notice(UserWarning):
    """A notice: nothing is wrong. The command line shows it without the word "warning"."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'conv_3x3'?"` for the valid choice closest to `word`, or the list of all choices."""
    valid = sorted(choices)
    close = difflib.get_close_matches(word[:100], valid, n=1)  # no name is that long, and comparing takes time
    return f"; did you mean '{close[0]}'?" if close else f"; choose from {', '.join(valid)}"


# Remedies when the operating system refuses a file, by cause. None of these causes means that the file is damaged.
_REMEDIES = {
    (errno.EACCES, errno.EPERM): "ask its owner for permission",
    (errno.ENOENT, errno.ENOTDIR, errno.ESTALE): "check whether it was moved or removed",
    (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT): "the disk or the network failed; try again, or copy it",
    (errno.EMFILE, errno.ENFILE): "close other programs, or raise the limit that `ulimit -n` shows",
    (errno.ENOSPC, errno.EDQUOT): "free some space",
    (errno.EISDIR,): "a file is expected; correct the path",
    (errno.ENAMETOOLONG, errno.ELOOP): "mend the path",
}


def system_reason(error: OSError) -> tuple[str, str]:
    """Return why the system cannot read a file, and the remedy: "cannot be read (…)", "ask its owner …"."""
    said = error.strerror or os.strerror(error.errno or errno.EIO)
    remedy = next((text for causes, text in _REMEDIES.items() if error.errno in causes), "check the path and its disk")
    return f"cannot be read ({said})", remedy


def unwritable(path: object, error: Exception) -> UserError | None:
    """The `UserError` if `error` says that `path` cannot be written; None for a bad network or a bad file."""
    causes = ("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "EEXIST", "ENAMETOOLONG")
    if not isinstance(error, OSError) or errno.errorcode.get(error.errno or 0) not in causes:
        return None
    return UserError(f"{error.filename or path}: cannot be written ({error.strerror}); free it, or name another place")


def unreadable(path: object, error: OSError) -> UserError:
    """The `UserError` for a file that the operating system refuses to read."""
    return UserError(f"{path}: {'; '.join(system_reason(error))}")
