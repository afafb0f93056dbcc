from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.api.data_info import describe_data
from degas.cli import main as cli
from degas.data.inspect import describe_source
from degas.errors import UserError
from degas.settings.sections import DataSettings


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def problems(facts: dict) -> dict[str, dict]:
    return {problem["kind"]: problem for problem in facts["problems"]}


def test_a_troubled_folder_is_described(tmp_path: Path) -> None:
    root, random = tmp_path / "data", np.random.default_rng(0)
    pictures = random.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    for k, picture in enumerate(pictures):
        save(root / "a" / f"{k}.png", picture)
    save(root / "b" / "copy.png", pictures[2])
    save(root / "b" / "wide.png", random.integers(0, 256, (4, 20, 3), dtype=np.uint8))
    (root / "b" / "broken.png").write_bytes(b"no")
    facts = describe_source(str(root), DataSettings(image_size=8), tmp_path / "grid.png")
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["num_images"], facts["num_readable"], facts["channels"]) == (8, 7, 3)
    assert facts["classes"] == {"a": 5, "b": 3}
    assert facts["source_sizes"] == {"8×8": 6, "20×4": 1}
    found = problems(facts)
    assert set(found) == {"unreadable", "duplicate", "odd_size", "too_small"}
    assert found["duplicate"]["count"] == 1
    assert "2.png" in found["duplicate"]["examples"][0]
    assert "copy.png" in found["duplicate"]["examples"][0]
    assert "broken.png" in found["unreadable"]["examples"][0]
    assert found["odd_size"]["examples"] == ["20×4: 1"]
    assert not (tmp_path / "cache").exists()


def test_the_grid_starts_with_the_mean_image(tmp_path: Path) -> None:
    for k, value in enumerate([10, 30, 80]):
        save(tmp_path / "data" / f"{k}.png", np.full((8, 8), value, np.uint8))
    facts = describe_source(str(tmp_path / "data"), DataSettings(image_size=8), tmp_path / "grid.png")
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.ndim == 2
    assert [int(grid[10, 10 + 50 * k]) for k in range(4)] == [40, 10, 30, 80]
    assert facts["mean_per_channel"] == [40.0, 40.0, 40.0]
    assert facts["grid"] == str(tmp_path / "grid.png")


def test_a_clean_set_has_no_problems() -> None:
    facts = describe_source("digits", DataSettings())
    assert facts["num_images"] == 1797
    assert sum(facts["classes"].values()) == 1797
    assert set(problems(facts)) <= {"too_small"}  # they are 8 px wide
    assert facts["channels"] == 1


def test_grey_in_colour_and_unbalanced_classes_are_told(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    labels = np.array([0] * 28 + [2] * 2)
    np.savez(tmp_path / "x.npz", images=np.stack([images] * 3, 3), labels=labels)
    found = problems(describe_source(str(tmp_path / "x.npz"), DataSettings(image_size=8)))
    assert set(found) == {"grey_in_colour", "unbalanced"}


def test_classes_without_images_are_noted_and_not_counted(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    names = np.array(["cat", "dog", "eel"])
    np.savez(tmp_path / "x.npz", images=images, labels=np.array([0, 0, 0, 2, 2, 2]), class_names=names)
    facts = describe_source(str(tmp_path / "x.npz"), DataSettings(image_size=8))
    assert facts["classes"] == {"cat": 3, "eel": 3}
    expected = {"kind": "empty_class", "text": "1 class without images is left out", "count": 1, "examples": ["dog"]}
    assert facts["notes"] == [expected]


def test_an_archive_of_an_official_name_but_another_checksum_is_told(tmp_path: Path) -> None:
    from official_files import cifar_record, write_tar

    image = np.zeros((3, 32, 32), np.uint8)
    files = {f"cifar-10-batches-bin/data_batch_{k}.bin": cifar_record(image + k, k) for k in range(1, 6)}
    path = write_tar(tmp_path / "cifar-10-binary.tar.gz", files)
    found = problems(describe_source(str(path), DataSettings()))
    assert "officially c32a1d4ab5d03f1284b67883e8d87530" in found["checksum"]["examples"][0]


def test_the_grid_may_not_become_one_of_the_pictures(tmp_path: Path) -> None:
    save(tmp_path / "data" / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError, match=r"--out: .*grid\.png would be one of the pictures of .*data; give a place"):
        describe_source(str(tmp_path / "data"), DataSettings(image_size=8), tmp_path / "data" / "new" / "grid.png")


def test_an_unknown_source_is_an_error() -> None:
    with pytest.raises(UserError, match="no such file"):
        describe_source("/no/such/folder", DataSettings())


def test_a_problem_names_the_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    for name, its in (("a", pixels[0]), ("b", pixels[0]), ("c", pixels[1])):
        Image.fromarray(its).save(tmp_path / f"{name}.png")
    for k in range(4):
        (tmp_path / f"empty{k}.png").touch()
    assert cli.main(["data", "info", str(tmp_path), "--data.image-size", "8"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("problem")]
    unreadable = next(line for line in said if "cannot be used" in line)
    assert all(f"empty{k}.png" in unreadable for k in range(3))
    assert unreadable.endswith(", …")
    assert any(f"{tmp_path / 'a.png'} = {tmp_path / 'b.png'}" in line for line in said)


def test_a_source_without_a_readable_picture_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(2):
        (tmp_path / f"empty{k}.png").touch()
    for more in ((), ("--json",), ("--out", str(tmp_path.with_name("grid.png")))):
        assert cli.main(["data", "info", str(tmp_path), "--data.image-size", "8", *more]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"degas: 2 of 2 pictures cannot be used: {tmp_path / 'empty0.png'}, ")
        assert said.err.count("\n") == 1
    assert not tmp_path.with_name("grid.png").exists()


@pytest.mark.parametrize(
    ("num", "size", "kinds", "said"),
    [
        (70, 32, set(), ""),
        (
            5,
            32,
            {"refused", "few"},
            ": 5 images are too few to measure; at least 8",
        ),
        (1, 32, {"refused", "few"}, "1 would be rejected by training: "),
        (20, 32, {"few"}, "20 are fewer than a batch of 64: the critic would memorise them"),
        (70, 30, {"refused"}, "70 would be rejected by search: image size 30 is not a base size from 4 to 7"),
    ],
)
def test_what_a_stage_would_refuse_is_a_problem(
    num: int, size: int, kinds: set[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(num):
        save(tmp_path / f"{k}.png", np.random.default_rng(k).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    facts = describe_data(str(tmp_path), DataSettings(image_size=size))
    assert set(problems(facts)) == kinds
    assert cli.main(["data", "info", str(tmp_path), "--data.image-size", str(size)]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert ("problems  none found" in out) == (not kinds)
    assert "…" not in out
