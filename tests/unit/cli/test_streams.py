"""A reader who leaves: what only prints ends in good order, and work goes on."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from degas.cli import main as cli
from degas.cli.streams import tolerant_streams
from degas.runtime.progress import Progress

SEARCH = """search --data digits --preset quick --search.width 2 --search.num-epochs 8 --search.log-steps 1
    --data.image-size 8 --data.max-images 32"""


class Gone(io.StringIO):
    """A pipe without a reader, a terminal whose window was closed, a log on a disk that is full."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.error = OSError(number, os.strerror(number))  # EPIPE makes it a BrokenPipeError

    def write(self, text: str) -> int:
        raise self.error


gone = pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])


@gone
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_is_written_to_nobody_is_lost_and_no_more(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, name, Gone(number))
    with tolerant_streams(enduring=True):
        print("hello", file=getattr(sys, name), flush=True)
    with tolerant_streams(enduring=False), pytest.raises(OSError, match=os.strerror(number)):
        print("hello", file=getattr(sys, name))


@gone
def test_an_error_that_nobody_reads_still_has_its_status(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone(number))
    assert cli.main(["serach"]) == 2


@gone
def test_progress_outlives_its_terminal_from_python_too(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone(number))
    with Progress("search", 3) as progress:
        progress.say("hello")
        progress.update(3)


def test_streams_that_were_closed_before_python_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """`degas … >&- 2>&-`: Python's own are None then."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with tolerant_streams(enduring=True), Progress("search", 3) as progress:
        print("hello")
        print("hello", file=sys.stderr, flush=True)
        progress.update(3)


@pytest.mark.slow
@pytest.mark.parametrize("pipe", ["2>&1 | head -1", "2> >(head -1 >/dev/null)"])
def test_a_search_outlives_its_terminal(pipe: str, tmp_path: Path) -> None:
    command = (
        f"{sys.executable} -m degas {' '.join(SEARCH.split())} --out {tmp_path / 'run'} {pipe}; exit ${{PIPESTATUS[0]}}"
    )
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "run/search/architecture.json").is_file()


@pytest.mark.slow
def test_what_only_prints_ends_in_good_order() -> None:
    command = f"{sys.executable} -m degas space 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
