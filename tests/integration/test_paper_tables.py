"""`degas experiment paper --scale smoke`: every kind of row from tiny official files to the finished table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_extractor import TinyExtractor

from degas.cli import main as cli
from degas.evaluation.extractors.base import freeze

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    extractor = freeze(TinyExtractor(inception_score=True))
    for module in ("degas.evaluation.evaluate", "degas_lab.paper.cost"):
        monkeypatch.setattr(f"{module}.build_extractor", lambda *_: extractor)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(*arguments: Any) -> int:
    return cli.main(["experiment", "paper", *map(str, arguments)])


def test_a_table_from_data_to_the_finished_page(tmp_path: Path, capsys: Any) -> None:
    command = ("--table", "4", "--scale", "smoke", "--out", tmp_path, "--seeds", 0)
    assert run(*command) == 0
    printed = capsys.readouterr().out
    assert "8 trials to make; expected hours on this machine: " in printed
    table = (tmp_path / "table-4.md").read_text(encoding="utf-8")
    assert printed.endswith(table)
    summary = json.loads((tmp_path / "table-4.json").read_text(encoding="utf-8"))
    rows = {row["row"]: row for row in summary["rows"]}
    assert all(row["seeds"] == [0] and row["scores"]["is"] and row["scores"]["fid"] for row in rows.values())
    searched = [rows[name]["architecture"] for name in ("cifar10-degas", "cifar10-degas-16px", "cifar10-random")]
    assert searched[0] == searched[1] == searched[2]  # stages, sizes, noise and order: nothing but the search differs
    assert rows["cifar10-degas-n2"]["architecture"] == {**searched[0], "num_normal": 2}
    sizes = [rows[name]["num_parameters"][0] for name in ("cifar10-degas", "cifar10-resnet-equal")]
    assert abs(sizes[1] / sizes[0] - 1) < 0.4  # the nearest width, of narrow networks
    trials = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.json")}
    assert run(*command) == 0
    assert "0 trials to make" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in trials if "settings" not in path.name} == {
        path: time for path, time in trials.items() if "settings" not in path.name
    }


def test_labels_and_real_images(tmp_path: Path, capsys: Any) -> None:
    assert run("--table", "2", "--scale", "smoke", "--out", tmp_path, "--seeds", 0) == 0
    rows = {row["row"]: row for row in json.loads((tmp_path / "table-2.json").read_text("utf-8"))["rows"]}
    real = rows["cifar10-real"]
    assert real["paper"]["is"] == "11.24"
    assert real["protocols"] == sorted(real["protocols"])
    assert real["scores"]["fid"]["mean"] > 0  # of real images against others, not of the images against themselves
    assert rows["cifar10-labels-degas"]["scores"]["is"]["mean"] > 0
    capsys.readouterr()
    assert run("--table", "figure3", "--scale", "smoke", "--out", tmp_path, "--seeds", 0) == 0
    assert "0 trials to make" in capsys.readouterr().out  # tables in one folder share their searches


def test_what_cannot_be_made_is_said_before_anything_begins(tmp_path: Path, capsys: Any) -> None:
    assert run("--table", "3", "--scale", "small", "--out", tmp_path / "a", "--cifar10", "x") == 2
    assert "--stl10: table 3 needs it" in capsys.readouterr().err
    assert run("--table", "figure3", "--scale", "smoke", "--out", tmp_path / "tiny", "--plan") == 0
    assert "degas search --data" in capsys.readouterr().out
    tiny = tmp_path / "tiny" / "data" / "cifar-10-binary.tar.gz"
    assert run("--table", "1", "--scale", "paper", "--out", tmp_path / "b", "--cifar10", tiny) == 2
    assert "has 24 images, but the paper's protocol needs 50,000" in capsys.readouterr().err
    assert not (tmp_path / "b" / "searches").exists()


def test_a_table_goes_on_from_its_trials_alone(tmp_path: Path, capsys: Any) -> None:
    """On another machine, with the same architectures, and without searching again."""
    command = ("--table", "4", "--scale", "smoke", "--seeds", 0, "--out")
    assert run(*command, tmp_path / "a") == 0
    shutil.copytree(tmp_path / "a" / "data", tmp_path / "b" / "data")
    shutil.copytree(tmp_path / "a" / "trials", tmp_path / "b" / "trials")
    (tmp_path / "b" / "trials" / "cifar10-degas-16px-s0.json").unlink()
    capsys.readouterr()
    assert run(*command, tmp_path / "b") == 0
    assert "1 trials to make" in capsys.readouterr().out
    assert not (tmp_path / "b" / "searches").exists()
    again, first = (
        json.loads((tmp_path / name / "trials" / "cifar10-degas-16px-s0.json").read_bytes()) for name in ("b", "a")
    )
    assert again["scores"] == first["scores"]
