from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from degas.cli.main import main
from degas.errors import UserError
from degas_lab.fits.loss_curves import BLOCKS, Curve, format_table, read_curves


def write(folder: Path, key: str, losses: list[float]) -> None:
    folder.mkdir(parents=True)
    records = [{"step": step, key: loss} for step, loss in enumerate(losses, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def curve(losses: list[float]) -> Curve:
    return Curve("", "search", np.arange(len(losses)), np.array(losses))


def test_rises_and_roughness_of_made_up_curves() -> None:
    falling = curve(np.linspace(1.0, 0.0, 10 * BLOCKS).tolist())
    assert falling.num_rises() == 0
    assert falling.roughness() == pytest.approx(1 / (10 * BLOCKS - 1) / 0.9, rel=0.02)  # 0.9: from mean to mean
    assert curve(list(range(BLOCKS))).num_rises() == BLOCKS - 1
    assert curve([1.0, 3.0, 2.0]).num_rises() == 1
    wild = curve([1.0, 0.0] * 100)
    assert wild.roughness() > 10


def test_curves_of_searches_of_every_seed_and_of_trainings(tmp_path: Path) -> None:
    write(tmp_path / "a" / "search" / "seed-0", "loss", [3.0, 2.0])
    write(tmp_path / "a" / "search" / "seed-1", "loss", [3.0, 1.0])
    write(tmp_path / "b" / "search", "loss", [5.0, 4.0])
    write(tmp_path / "b" / "train", "generator_loss", [0.0, 7.0])
    found = read_curves([tmp_path / "a", tmp_path / "b"])
    names = [("a seed-0", "search"), ("a seed-1", "search"), ("b", "search"), ("b", "train")]
    assert [(one.name, one.kind) for one in found] == names
    assert found[1].losses.tolist() == [3.0, 1.0]
    assert "| b | adversarial, generator | 0.000 | 7.000 | 1 |" in format_table(found)


def test_command_draws_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "b" / "search", "loss", [5.0, 4.0, 3.0])
    figure = tmp_path / "new" / "c.png"
    assert main(["experiment", "loss-curves", "--runs", str(tmp_path / "b"), "--out", str(figure)]) == 0
    assert (tmp_path / "new" / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "GLO search" in capsys.readouterr().out


def test_a_folder_without_losses_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="holds no search"):
        read_curves([tmp_path])
    write(tmp_path / "search", "loss", [5.0])
    with pytest.raises(UserError, match="holds 1 losses"):
        read_curves([tmp_path])
    figure = tmp_path / "c.png"
    assert main(["experiment", "loss-curves", "--runs", str(tmp_path), "--out", str(figure)]) == 2
    assert "holds 1 losses" in capsys.readouterr().err
    assert not (tmp_path / "c.png").exists()
