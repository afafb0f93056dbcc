"""What a sweep shows while it runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from degas.sweep.display import Display, last_line, seconds_left


def display(folder: Path, clock: list[float], **changes: object) -> tuple[Display, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, width=100)
    return Display(12, 2, 2, folder, console=console, clock=lambda: clock[0], **changes), text  # type: ignore[arg-type]


def test_counts_ends_and_time_left_on_a_plain_stream(tmp_path: Path) -> None:
    clock = [0.0]
    shown, text = display(tmp_path, clock)
    with shown:
        shown.update({"a": 0.0, "b": 0.0})
        shown.ended("a", "done", 10.0, "fid 3.2")
        shown.ended("b", "again", 4.0, "ended with status -9: [red]x")
        shown.ended("b", "failed", 20.0)
        clock[0] = 29.0
        shown.update({"c": 5.0})  # too early for another line
        clock[0] = 30.0
        shown.update({"c": 5.0})
    assert text.getvalue().splitlines() == [
        "sweep  2/12  2 running, 8 waiting, 0 failed",
        "done      a  10 s  fid 3.2",
        "again     b  4 s  ended with status -9: [red]x",
        "failed    b  20 s",
        "sweep  4/12  1 running, 7 waiting, 1 failed  58 s left",
    ]


def test_quiet_shows_nothing(tmp_path: Path) -> None:
    shown, text = display(tmp_path, [0.0], quiet=True)
    with shown:
        shown.update({})
        shown.ended("a", "done", 1.0)
    assert text.getvalue() == ""


def test_a_terminal_shows_the_last_line_of_every_running_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    text = io.StringIO()
    text.isatty = lambda: True  # type: ignore[method-assign]
    console = Console(file=text, width=60, force_terminal=True, force_interactive=True)
    (tmp_path / "a.txt").write_text("step 1\nstep 2  critic 0.3\n\n")
    shown = Display(20, 0, 14, tmp_path, console=console, clock=lambda: 0.0)
    with shown:
        shown.update({"a": 65.0, **{f"t{k}": 1.0 for k in range(13)}})
    assert "a  1 min 05 s  step 2  critic 0.3" in text.getvalue()
    assert "and 2 more" in text.getvalue()


@pytest.mark.parametrize(
    ("ended", "running", "waiting", "places", "left"),
    [
        ([], [1.0], 3, 2, None),
        ([10.0, 20.0], [], 4, 2, 30.0),
        ([10.0], [4.0, 99.0], 0, 8, 3.0),  # one that takes longer than the others is about to end
        ([10.0], [0.0], 9, 5, 20.0),
    ],
)
def test_time_left(ended: list[float], running: list[float], waiting: int, places: int, left: float | None) -> None:
    assert seconds_left(ended, running, waiting, places) == left


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.txt"
    assert last_line(log) == ""
    log.write_bytes(b"x" * 10_000 + b"\nlast \xff\n \n")
    assert last_line(log) == "last \ufffd"
