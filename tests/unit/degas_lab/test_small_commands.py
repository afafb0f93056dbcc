"""Measurements that have no trials: each command runs, at the smallest size, and says what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from degas.cli.main import main


def run(*arguments: object) -> int:
    return main(["experiment", *(str(argument) for argument in arguments)])


def test_the_time_of_the_frechet_distance(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    assert run("frechet-time", "--features", 12, "--rounds", 1, "--out", tmp_path / "t.json") == 0
    result = json.loads((tmp_path / "t.json").read_text())
    values = [result["full_rank"][way]["value"] for way in ("ours", "torchmetrics", "scipy_sqrtm")]
    assert values[1:] == pytest.approx([values[0]] * 2, rel=1e-6)


def test_an_unknown_rate_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paper-rate", "--data", "digits", "--out", tmp_path / "r", "--only", "litteral") == 2
    assert "unknown trial 'litteral'; did you mean 'literal'?" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_extractors_need_enough_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extractors", "--data", "digits", "--out", tmp_path / "e") == 2
    assert capsys.readouterr().err.startswith("degas: ")


@pytest.mark.slow
def test_fewer_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fewer-candidates", "--rounds", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("all ")
    assert lines[0].endswith("1.00")
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("measurement", "setting"),
    [
        ("found-vs-random --architecture degas-digits", "--search.grow"),
        ("found-vs-random --architecture degas-digits --preset quick", "--search.prune darts"),
        ("local-optimum --architecture degas-digits", "--search.leave anneal"),
        ("baselines", "--search.paths two-path"),
        ("rank-correlation", "--search.signal adversarial"),
    ],
)
def test_a_measurement_of_fits_rejects_what_only_a_search_reads(
    measurement: str, setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it was accepted, the trials were those without it."""
    out = tmp_path / "m"
    assert run(*measurement.split(), "--data", "digits", "--out", out, *setting.split()) == 2
    said = f"degas: {setting.split()[0]}: this measurement fits architectures alone and does not search; leave it out\n"
    assert capsys.readouterr().err == said
    assert not out.exists()
