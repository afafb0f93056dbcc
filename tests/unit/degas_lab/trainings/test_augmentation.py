"""Augmentation on subsets: paired trials that can be gone on with, and their paired differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from degas.data.sources import load_images
from degas.settings.sections import DataSettings
from degas_lab.trainings.augmentation import format_table, subset, summarise
from degas_lab.trainings.augmentation_plan import Plan


def record(num_images: int, seed: int, augment: str, kid: float, **more: Any) -> dict[str, Any]:
    history = [{"steps": 5, "kid": kid}]
    return {"num_images": num_images, "seed": seed, "augment": augment, "history": history, **more}


def test_differences_are_within_pairs() -> None:
    records = [
        *(record(100, 0, "none", 0.5), record(100, 0, "diffaugment", 0.2)),
        *(record(100, 1, "none", 0.7), record(100, 1, "diffaugment", 0.6)),
        *(record(300, 0, "none", 0.4), record(300, 0, "diffaugment", 0.5)),
        record(300, 1, "none", 0.4),  # its other half is not made yet
        *(record(300, 2, "none", 0.4, failed="diverged"), record(300, 2, "diffaugment", 0.1)),
    ]
    few, more = summarise(records, "kid")
    assert few["differences"] == pytest.approx([-0.3, -0.1])
    assert few["paired"]["difference"] == pytest.approx(-0.2)
    half = 12.706 * 0.1  # t of one degree of freedom times the standard error
    assert few["paired"]["low"] == pytest.approx(-0.2 - half, abs=1e-3)
    assert few["paired"]["verdict"] == "not told apart"
    assert (more["paired"]["num_seeds"], more["num_failed"], more["paired"]["low"]) == (1, 1, None)
    assert "| 100 | 5 | 2 | 0.600 | 0.400 | −0.200 | −1.471 to +1.071 | not told apart |" in format_table([few])


def test_recall_is_better_when_it_is_higher() -> None:
    records = []
    for seed in range(3):
        for augment, recall in (("none", 0.5 + 0.01 * seed), ("diffaugment", 0.2)):
            history = [{"steps": 5, "recall": recall}]
            records.append({"num_images": 100, "seed": seed, "augment": augment, "history": history})
    assert "| worse |" in format_table(summarise(records, "recall"))


def test_a_plan_makes_whole_pairs_first() -> None:
    trials = list(Plan(num_images=(8, 4, 8), seeds=2).trials())
    assert trials[:2] == [(4, 0, "none"), (4, 0, "diffaugment")]
    assert len(set(trials)) == len(trials) == 8


def test_a_smaller_subset_lies_inside_a_larger_one() -> None:
    images = load_images("digits", DataSettings())
    small, large = subset(images, 10), subset(images, 40)
    inside = {image.tobytes() for image in large.images}
    assert all(image.tobytes() in inside for image in small.images)
    assert small.fingerprint != large.fingerprint
    assert small.labels is None
    assert np.array_equal(small.images, subset(images, 10).images)


def test_the_measurement_from_the_command_line(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    from tiny_extractor import TinyExtractor

    from degas.cli import main as cli

    extractor = TinyExtractor().eval()
    monkeypatch.setattr("degas.evaluation.evaluate.build_extractor", lambda settings, device: extractor)
    command = "experiment augmentation --data digits --data.max-images 16 --data.image-size 8 --seeds 1 --num-images 8"
    sizes = "--gan.num-steps 2 --gan.width 4 --gan.generator-width 4 --gan.noise-size 6 --evaluate.num-samples 8"
    where = f"--data.cache {tmp_path / 'cache'} --out {tmp_path / 'out'}"
    for _ in range(2):
        assert cli.main(f"{command} {sizes} {where}".split()) == 0, capsys.readouterr().err
        assert "| 8 | 2 |" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"trials", "summary.json", "table.md"}
    assert cli.main(f"{command} {sizes} {where} --num-images 99".split()) == 2
    assert "--num-images: 99 of 16 images; ask for fewer" in capsys.readouterr().err
