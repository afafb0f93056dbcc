from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
LABELS = np.array([0, 2, 1, 2, 0])


def load(tmp_path: Path, arrays: dict[str, np.ndarray], compressed: bool = True, **settings):
    path = tmp_path / "data.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return load_images(str(path), DataSettings(image_size=8, cache=tmp_path / "cache", **settings))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (IMAGES, IMAGES.transpose(0, 3, 1, 2)),
        (IMAGES.transpose(0, 3, 1, 2), IMAGES.transpose(0, 3, 1, 2)),
        (IMAGES[..., 0], IMAGES[:, None, :, :, 0]),
        (IMAGES[..., :1], IMAGES[:, None, :, :, 0]),
        (IMAGES[:, None, :, :, 0], IMAGES[:, None, :, :, 0]),
        (IMAGES.astype(np.uint16) * 256 + 255, IMAGES.transpose(0, 3, 1, 2)),
    ],
)
@pytest.mark.parametrize("compressed", [True, False])
def test_every_layout_comes_back(tmp_path: Path, array, expected, compressed: bool) -> None:
    images = load(tmp_path, {"images": array, "labels": LABELS}, compressed)
    assert np.array_equal(images.images, expected)
    assert images.labels.tolist() == LABELS.tolist()
    assert images.class_names == ("0", "1", "2")


def test_four_channels_go_over_white(tmp_path: Path) -> None:
    images = load(tmp_path, {"images": np.concatenate([IMAGES, np.zeros((5, 8, 8, 1), np.uint8)], 3)})
    assert (images.images == 255).all()
    assert images.channels == 3


def test_parts_and_names(tmp_path: Path) -> None:
    arrays = {"train_images": IMAGES, "train_labels": LABELS[:, None], "x_test": IMAGES[:2], "y_test": LABELS[:2]}
    assert load(tmp_path, arrays).labels.tolist() == LABELS.tolist()
    assert load(tmp_path, arrays, split="test").num_images == 2
    with pytest.raises(UserError, match="no array val_images or x_val; it holds train_images"):
        load(tmp_path, arrays, split="val")
    named = load(tmp_path, {"arr_0": IMAGES, "arr_1": LABELS, "class_names": np.array(["a", "b", "c"])})
    assert named.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("values", "names", "expected", "classes"),
    [
        ([1, 2, 3, 1, 2], None, [0, 1, 2, 0, 1], ("1", "2", "3")),
        ([0, 1, 2, 999, 0], None, [0, 1, 2, 3, 0], ("0", "1", "2", "999")),
        ([10**9, 7, 7, 7, 7], None, [1, 0, 0, 0, 0], ("7", "1000000000")),
        ([1, 2, 3, 1, 2], ["cat", "dog", "eel"], [0, 1, 2, 0, 1], ("cat", "dog", "eel")),
        ([0, 2, 2, 0, 2], ["cat", "dog", "eel"], [0, 1, 1, 0, 1], ("cat", "eel")),
    ],
)
def test_no_class_is_without_images(tmp_path: Path, values, names, expected, classes) -> None:
    arrays = {"images": IMAGES, "labels": np.array(values)} | ({"class_names": np.array(names)} if names else {})
    images = load(tmp_path, arrays)
    assert images.labels.tolist() == expected
    assert images.labels.dtype == np.int64
    assert images.class_names == classes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES.astype(np.float32)}, "float32 pixels; save them as uint8"),
        ({"images": IMAGES[0, 0]}, r"shape \(8, 3\)"),
        ({"images": IMAGES[..., :2]}, "expected .N, H, W."),
        ({"images": IMAGES[:0]}, "no images in it"),
        ({"other": IMAGES}, "no array 'images'"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "expected 5 integers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "image 0 has label -1; number the classes from 0"),
        (
            {"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])},
            "image 1 has label 2, expected 0 to 1",
        ),
        (
            {"images": IMAGES, "labels": LABELS + 7, "class_names": np.array(["a", "b"])},
            "image 0 has label 7, expected 0 to 1",
        ),
        ({"images": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, arrays, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path, arrays)
    assert "data.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    load(tmp_path, {"images": IMAGES})
    path = tmp_path / "data.npz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match=r"data\.npz: damaged or truncated"):
        load_images(str(path), DataSettings(cache=tmp_path / "cache"))
