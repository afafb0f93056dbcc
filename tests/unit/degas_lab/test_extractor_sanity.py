"""The sanity table on tiny images: rows, resuming, what each damage does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_extractor import TinyExtractor

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas_lab.extractor_sanity import Noise, blurred, compare, format_table, random_imagenet, sanity_rows


def _images(count: int = 120, size: int = 8) -> ImageSet:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 6
    images = (labels[:, None, None, None] * 40 + rng.integers(0, 50, (count, 3, size, size))).astype(np.uint8)
    return ImageSet(images, labels.astype(np.int64), tuple("abcdef"), "made", "made")


def _rows(folder: Path) -> dict[str, dict[str, float]]:
    extractor = freeze(TinyExtractor())
    return sanity_rows(_images(200), extractor, folder, counts=(20, 40), num_damaged=40, say=lambda _: None)


def test_all_rows_are_made_and_a_wrong_set_of_classes_is_seen(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    assert sorted(rows) == ["blur_40", "floor_20", "floor_40", "missing_40", "noise_40"]
    assert rows["missing_40"]["fid"] > 2 * rows["floor_40"]["fid"]
    assert rows["missing_40"]["recall"] < rows["floor_40"]["recall"]
    assert {row["num_real"] for name, row in rows.items() if name.endswith("40")} == {40}


def test_finished_rows_are_read_and_missing_ones_made_alike(tmp_path: Path) -> None:
    first = _rows(tmp_path)
    (tmp_path / "noise_40.json").unlink()
    record = json.loads((tmp_path / "floor_20.json").read_text())
    (tmp_path / "floor_20.json").write_text(json.dumps({**record, "fid": -1.0}))
    second = _rows(tmp_path)
    assert second["floor_20"]["fid"] == -1.0
    assert second["noise_40"] == first["noise_40"]


def test_the_table_names_each_row_and_its_distance_over_the_floor(tmp_path: Path) -> None:
    lines = format_table({"tiny": _rows(tmp_path)}).splitlines()
    assert len(lines) == 7
    assert [line.split(" | ")[1] for line in lines[2:]] == [
        "real against real",
        "real against real",
        "blurred, 1 px",
        "noise, 25 levels",
        "3 classes missing",
    ]
    assert lines[3].split(" | ")[4] == "1.00"


def test_too_few_or_unlabelled_images_are_refused(tmp_path: Path) -> None:
    images = _images(30)
    with pytest.raises(UserError, match="needs 40 labelled images"):
        sanity_rows(images, freeze(TinyExtractor()), tmp_path, counts=(20,), num_damaged=20)
    plain = ImageSet(images.images, None, (), "plain", "x")
    with pytest.raises(UserError, match="plain"):
        sanity_rows(plain, freeze(TinyExtractor()), tmp_path, counts=(10,), num_damaged=10)


def test_blur_is_a_gaussian_that_keeps_the_mean() -> None:
    batch = torch.zeros(1, 2, 9, 9, dtype=torch.uint8)
    batch[0, 0, 4, 4] = 250
    out = blurred(batch)
    assert out[0, 1].eq(0).all()
    assert int(out[0, 0, 4, 4]) == 40  # 250/(2π) to rounding and truncation
    assert abs(int(out[0, 0].sum()) - 250) <= 6
    assert blurred(torch.full((1, 3, 8, 8), 77, dtype=torch.uint8)).eq(77).all()


def test_noise_is_of_the_stated_size_and_repeatable() -> None:
    grey = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)
    out = Noise(0)(grey)
    assert float(out.float().std()) == pytest.approx(25, rel=0.05)
    assert torch.equal(out, Noise(0)(grey))
    assert not torch.equal(out, Noise(1)(grey))


def test_comparing_a_set_with_itself_gives_zero() -> None:
    features = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    record = compare(features, features)
    assert record["fid"] == pytest.approx(0, abs=1e-9)
    assert record["precision"] == record["recall"] == 1


def test_the_random_network_has_another_name_other_weights_and_live_features() -> None:
    extractor = random_imagenet(128, _images(64))
    assert extractor.name == "random-imagenet"
    assert not any(module.training for module in extractor.modules())
    features = extractor(torch.from_numpy(_images(64).images[:4])).features
    assert float(features.std(dim=0).mean()) > 0.01
    assert extractor.card != random_imagenet(128, _images(64), seed=1).card
