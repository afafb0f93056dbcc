"""The entry point `degas COMMAND …`: finds and runs the command, and returns its exit status.

0 done, 1 internal error, 2 the user's input or usage, 130 interrupted, 143 terminated after saving.
"""

from __future__ import annotations

import errno
import io
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

from degas.cli.commands import GOES_ON, LOWER, find_command, hint, summaries
from degas.cli.own_modules import OWN
from degas.cli.streams import tolerant_streams
from degas.errors import Notice, UserError
from degas.runtime.interrupts import ENDING, Interrupted, Terminated, install, put_back
from degas.runtime.terminal import no_reader

ALONE = ("-h", "--help", "help", "-V", "--version")
USAGE = "usage: degas COMMAND [OPTIONS]      degas COMMAND --help shows a command's options"
READ = ("space", "describe", "random", "data")  # commands whose only result is what they print
SHARED = ("run", "search", "train")  # commands for several processes
# System errors that come from a path, a disk or a limit of the user; any other is a bug in degas.
USER_ERRNOS = "EACCES EPERM ENOENT EEXIST ENOTDIR EISDIR ENAMETOOLONG ENOSPC EDQUOT EROFS EMFILE ENFILE ELOOP EIO EFBIG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a user's mistake never shows a traceback."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = arguments[0] if arguments else ""
    try:
        with tolerant_streams(enduring=command not in READ), _one_line_warnings(), _ended_by_signal():
            return _dispatch(arguments)
    except UserError as error:
        return _fail(str(error), 2)
    except (Terminated, Interrupted) as stopped:  # a loop saved
        word = "interrupted" if isinstance(stopped, Interrupted) else "terminated"
        return _fail(f"{word}; the state is saved{hint(command, GOES_ON, 'GOES_ON')}", stopped.exit_code)
    except _Terminated:
        return _fail(f"terminated{hint(command, GOES_ON, 'GOES_ON')}", 143)
    except KeyboardInterrupt:
        return _fail(f"interrupted{hint(command, GOES_ON, 'GOES_ON')}", 130)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except BrokenPipeError:  # `degas space | head`: the reader has closed the pipe
        no_reader(sys.stdout)
        no_reader(sys.stderr)
        return 0
    except MemoryError:
        return _fail(_out_of_memory(command), 1)
    except Exception as error:
        return _unexpected(error, command)


class _Terminated(BaseException):
    """Raised by a signal that ends work while no loop runs that could save it."""


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Print each warning as one line; hide deprecation warnings, which are not for users, unless requested."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if sys.warnoptions or not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
            word = "note" if issubclass(category, Notice) else "warning"
            print(f"degas: {word}: {' '.join(str(message).split())}", file=sys.stderr)

    before = warnings.showwarning
    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """End work cleanly on a signal that no loop handles (loading, evaluating, reporting).

    A library's C code may turn the signal's exception into another error; both end the same way.
    """
    asked: type[BaseException] | None = None

    def leave(number: int, frame: object) -> None:
        nonlocal asked
        asked = KeyboardInterrupt if number == signal.SIGINT else _Terminated
        raise asked

    own = (signal.SIG_DFL, signal.default_int_handler)  # the system's, and Python's for Ctrl-C
    before = install(leave, ENDING, over=lambda handler: handler in own)
    try:
        yield
    except Exception as error:
        if asked is not None:
            raise asked from error
        raise
    finally:
        put_back(before)


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["help"] and len(arguments) > 1:
        arguments = [*arguments[1:], "--help"]
    if not arguments or arguments[0] in ALONE:
        if len(arguments) > 1:
            raise UserError(f"degas {arguments[0]} takes nothing after it; leave out {arguments[1]!r}")
        from degas import __version__

        print(f"degas {__version__}" if arguments and arguments[0] in ("-V", "--version") else help_text())
        return 0
    from degas.cli.current import running
    from degas.cli.own_modules import import_own, with_own_settings
    from degas.cli.parse import parse
    from degas.runtime import cores

    cores.begin()
    words, arguments = arguments, import_own(arguments)
    module, name, rest = find_command(arguments)
    options = parse(with_own_settings(module.Options, rest), name, rest)
    with running(words), _only_rank_0_prints(arguments[0]):
        module.main(options)
    return 0


@contextmanager
def _only_rank_0_prints(command: str) -> Iterator[None]:
    """Let only the first of several processes print; raise `UserError` for a command that needs a single process."""
    from degas.runtime.environment import check_launcher, is_rank_0, num_ranks

    if num_ranks() > 1 and command not in SHARED:
        raise UserError(f"degas {command} runs in one process; start it without a launcher such as torchrun")
    check_launcher()
    with nullcontext() if is_rank_0() else redirect_stdout(io.StringIO()):
        yield


def help_text() -> str:
    found = dict(summaries())
    width = max(map(len, found))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in found.items()]
    head = "degas: find a small GAN generator for your images by differentiable architecture search"
    start = "start with: degas run --data digits --out runs/digits --preset quick"
    return "\n".join([head, "", USAGE, "", *lines, "", start, OWN])


def _unexpected(error: Exception, command: str) -> int:
    """Return the exit status for an unexpected error, identified by name, so that torch is not imported."""
    name = type(error).__name__
    if name == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return _fail(_out_of_memory(command), 1)
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        line = error.object[: error.end].rsplit("\n", 1)[-1] + error.object[error.end :].split("\n", 1)[0]
        return _fail(f"the name {line.strip(' ,')!a} is not valid UTF-8; rename it", 2)
    if isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in USER_ERRNOS.split():
        path = error.filename2 or error.filename  # of two paths, the destination
        place = f"{path}: " if path else ""
        return _fail(f"{place}{error.strerror}; check the path, its permissions and the space on its disk", 2)
    traceback.print_exc()
    return _fail("internal error; please report the lines above", 1)


def _out_of_memory(command: str) -> str:
    lower = hint(command, LOWER, "LOWER")
    return f"out of memory; lower {lower}" if lower else "out of memory"


def _fail(message: str, status: int) -> int:
    try:
        print(f"degas: {' '.join(message.split())}", file=sys.stderr, flush=True)
    except OSError:  # the reader has closed the pipe
        no_reader(sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
