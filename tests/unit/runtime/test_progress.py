"""Progress: honest rates, a line now and then, a summary."""

# ruff: noqa: PT012 - the blocks under test stand inside pytest.raises

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from degas.runtime.progress import Progress, RecentRate, format_rate, format_seconds, is_live


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def report(
    clock: Clock, total: int, terminal: bool = False, width: int = 60, **options: object
) -> tuple[Progress, io.StringIO]:
    out = Terminal() if terminal else io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width)
    return Progress("search", total, console=console, clock=clock, **options), out  # type: ignore[arg-type]


def run(progress: Progress, clock: Clock, first: int, last: int, seconds: float) -> None:
    for step in range(first, last + 1):
        clock.now += seconds
        progress.update(step, note="epoch 1", loss=1 / 3)


def test_plain_lines_come_at_once_and_every_ten_seconds() -> None:
    clock = Clock()
    progress, out = report(clock, 100)
    with progress:
        run(progress, clock, 1, 100, 0.5)
    lines = out.getvalue().splitlines()
    assert lines[0] == "search  1/100  1 %  loss 0.3333  epoch 1  2 steps/s  50 s left"
    assert lines[1].startswith("search  about 50 s for 100 steps")
    assert lines[2].startswith("search  21/100  21 %")
    assert lines[-1] == "search: 100 steps in 50 s, 2 steps/s, loss 0.3333  epoch 1"
    assert len(lines) == 1 + 1 + 4 + 1


def test_the_remaining_time_follows_the_recent_rate() -> None:
    clock = Clock()
    progress, _ = report(clock, 1000)
    with progress:
        run(progress, clock, 1, 100, 5.0)  # a slow start
        assert progress.remaining_seconds() == pytest.approx(900 * 5)
        run(progress, clock, 101, 700, 0.1)  # a minute at full speed: the start no longer counts
        assert progress.remaining_seconds() == pytest.approx(300 * 0.1, rel=0.01)


def test_pauses_within_the_window_count() -> None:
    rate = RecentRate(0, 0.0)
    for step in range(1, 11):
        rate.add(step, float(step))
    rate.add(11, 30.0)  # a checkpoint
    assert rate.steps_per_second() == pytest.approx(11 / 30)


def test_the_rate_of_very_slow_steps_is_that_of_the_last_one() -> None:
    rate = RecentRate(0, 0.0)
    assert rate.steps_per_second() is None
    rate.add(1, 100.0)
    rate.add(2, 300.0)
    assert rate.steps_per_second() == pytest.approx(1 / 200)


def test_the_rate_keeps_few_samples_and_stays_right() -> None:
    rate = RecentRate(0, 0.0)
    for step in range(1, 200_001):
        rate.add(step, step / 1000)
    assert len(rate._samples) < 200
    assert rate.steps_per_second() == pytest.approx(1000, rel=1e-3)


def test_a_resumed_run_does_not_count_what_was_done_before() -> None:
    clock = Clock()
    progress, out = report(clock, 200, start_step=100)
    with progress:
        run(progress, clock, 101, 200, 1.0)
    assert "search  101/200  50 %" in out.getvalue()
    assert out.getvalue().splitlines()[-1].startswith("search: 100 steps in 1 min 40 s, 1 steps/s")


def test_an_error_is_summed_up_as_such() -> None:
    clock = Clock()
    progress, out = report(clock, 10)
    with pytest.raises(ValueError, match="x"), progress:
        run(progress, clock, 1, 3, 1.0)
        raise ValueError("x")
    assert out.getvalue().splitlines()[-1].startswith("search: stopped at step 3 of 10: 3 steps in 3 s")


def test_numbers_stay_until_newer_ones_come() -> None:
    """Losses are known now and then, the step always: a run that is stopped says at which step."""
    clock = Clock()
    progress, out = report(clock, 300)
    with pytest.raises(ValueError, match="x"), progress:
        progress.update(290, critic=0.5)
        progress.update(298)
        raise ValueError("x")
    last = out.getvalue().splitlines()[-1]
    assert last.startswith("search: stopped at step 298 of 300: ")
    assert last.endswith("critic 0.5")


def test_nothing_done_is_no_division_by_zero() -> None:
    for total in (0, 5):
        progress, out = report(Clock(), total)
        with progress:
            assert progress.remaining_seconds() is None
            progress.update(0)
        assert out.getvalue().splitlines()[-1] == "search: 0 steps in 0 s"


def test_quiet_prints_nothing_even_on_a_terminal() -> None:
    clock = Clock()
    progress, out = report(clock, 10, terminal=True, quiet=True)
    with progress:
        run(progress, clock, 1, 10, 20.0)
    assert out.getvalue() == ""


def test_a_terminal_gets_a_live_line_and_the_summary() -> None:
    clock = Clock()
    progress, out = report(clock, 10, terminal=True)
    with progress:
        run(progress, clock, 1, 10, 1.0)
    text = out.getvalue()
    assert "\x1b[" in text
    assert "5/10" in text
    assert text.splitlines()[-1].endswith("search: 10 steps in 10 s, 1 steps/s, loss 0.3333  epoch 1")


def test_a_terminal_is_not_flooded() -> None:
    clock = Clock()
    progress, out = report(clock, 10_000, terminal=True)
    with progress:
        run(progress, clock, 1, 10_000, 0.0001)  # one second
    assert len(out.getvalue()) < 10_000


def drawn(out: io.StringIO) -> list[str]:
    """The live line as it was drawn, time after time, without its colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    return [line for line in re.split(r"[\r\n]+", plain) if "━" in line]


@pytest.mark.parametrize("title", ["search", "train ct-gan", "features (imagenet-224)"])
@pytest.mark.parametrize("width", [80, 72, 100])
def test_a_live_line_keeps_title_bar_count_and_time_left(title: str, width: int) -> None:
    clock = Clock()
    progress, out = report(clock, 100_000, terminal=True, width=width)
    progress.title = title
    with progress:
        for step in range(98_000, 98_020):
            clock.now += 20.0
            progress.update(step, note="epoch 12/15 " * 3, critic=-1234.5678, generator=0.00012345)
    lines = drawn(out)
    assert len(lines) > 10
    assert all(len(line) <= width for line in lines)
    last = lines[-1]
    assert last.startswith(f"{title} ━━━")
    assert "98019/100000  98 %  11 h 00 min left" in last
    assert last.rstrip().endswith("…")


@pytest.mark.parametrize(("environment", "live"), [({}, True), ({"CI": "true"}, False), ({"CI": "false"}, True)])
def test_only_a_watched_terminal_is_drawn_over(
    environment: dict[str, str], live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_live(Console(file=Terminal())) == live


def test_forced_colours_make_no_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many jobs set it: rich then takes any file for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    out, clock = io.StringIO(), Clock()
    with Progress("search", 100, console=Console(file=out), clock=clock) as progress:
        run(progress, clock, 1, 100, 0.2)  # twenty seconds
    lines = out.getvalue().splitlines()
    assert len(lines) <= 5
    assert "\x1b[1A" not in out.getvalue()
    assert "\x1b[2K" not in out.getvalue()


def test_a_dumb_terminal_is_not_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not is_live(Console(file=Terminal()))


def test_a_stage_says_once_how_long_it_takes_by_its_first_steps() -> None:
    clock = Clock()
    progress, out = report(clock, 1000, besides="the measuring", shorter="--search.num-epochs 3")
    with progress:
        run(progress, clock, 1, 3, 60.0)  # warm-up: three minutes that come once
        run(progress, clock, 4, 1000, 1.0)
    told = [line for line in out.getvalue().splitlines() if "about" in line]
    assert told == [
        "search  about 20 min for 1000 steps, by the first steps (1 steps/s); not included: the measuring; "
        "to shorten: --search.num-epochs 3"
    ]


def test_on_a_terminal_it_says_so_too_and_a_resumed_run_counts_its_own_steps() -> None:
    clock = Clock()
    progress, out = report(clock, 1000, terminal=True, width=80, start_step=900, unit="images")
    with progress:
        run(progress, clock, 901, 1000, 1.0)
    assert out.getvalue().count("about") == 1
    assert "search  about 2 min for 100 images, by the first steps (1 images/s)" in out.getvalue()


def test_what_soon_ends_or_is_quiet_says_nothing_of_how_long() -> None:
    for total, quiet in ((15, False), (1000, True)):
        clock = Clock()
        progress, out = report(clock, total, quiet=quiet)
        with progress:
            run(progress, clock, 1, 15, 1.0)
        assert "about" not in out.getvalue()


def test_an_update_without_values_keeps_the_last_ones() -> None:
    clock = Clock()
    progress, out = report(clock, 100)
    with progress:
        progress.update(1, loss=0.5)
        clock.now += 11
        progress.update(2)
    assert "2/100  2 %  loss 0.5" in out.getvalue()


def test_other_units_than_steps_are_named() -> None:
    clock = Clock()
    progress, out = report(clock, 100, unit="images")
    with progress:
        run(progress, clock, 1, 100, 0.5)
    assert out.getvalue().splitlines()[0].endswith("2 images/s  50 s left")
    assert out.getvalue().splitlines()[-1].startswith("search: 100 images in 50 s, 2 images/s")
    assert format_rate(0.25, "images") == "4 s/image"


def test_lines_are_not_wrapped_and_brackets_are_no_markup() -> None:
    clock = Clock()
    out = io.StringIO()
    with Progress("train [bold]", 9, console=Console(file=out, width=20), clock=clock) as progress:
        clock.now += 1
        progress.update(1, note="a long note " * 10)
    assert len(out.getvalue().splitlines()) == 2
    assert out.getvalue().startswith("train [bold]  1/9")


def test_standard_output_is_left_to_results(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("search", 3) as progress:
        progress.update(3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "search: 3 steps" in captured.err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.9, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_format_rate() -> None:
    assert format_rate(12.34) == "12.3 steps/s"
    assert format_rate(1) == "1 steps/s"
    assert format_rate(0.25) == "4 s/step"


def test_what_is_said_stays_unless_quiet() -> None:
    for quiet in (False, True):
        progress, out = report(Clock(), 10, quiet=quiet)
        with progress:
            progress.say("epoch 1")
        assert ("search  epoch 1\n" in out.getvalue()) == (not quiet)


def test_a_stage_that_ends_early_says_its_own_total() -> None:
    text = Terminal()
    with Progress("search", 100, console=Console(file=text, force_terminal=True, width=80)) as progress:
        progress.update(10)
        progress.end_at(10)
        progress.update(10)
    assert progress.total_steps == 10
    assert progress._live is not None
    assert progress._live.tasks[0].total == 10
    assert "search: 10 steps in" in text.getvalue()
