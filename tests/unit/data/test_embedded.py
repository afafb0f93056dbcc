from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings


def test_digits_are_scikit_learns_at_their_own_size() -> None:
    bunch = load_digits()
    images = load_images("digits", DataSettings(image_size=8))
    assert images.images.shape == (1797, 1, 8, 8)
    assert np.array_equal(images.images[:, 0], np.round(bunch.images * 255 / 16))
    assert np.array_equal(images.labels, bunch.target)
    assert images.class_names == tuple("0123456789")


def test_digits_default_to_16_pixels_by_the_bicubic_rule() -> None:
    images = load_images("digits", DataSettings())
    small = np.round(load_digits().images[17] * 255 / 16).astype(np.uint8)
    expected = np.asarray(Image.fromarray(small).resize((16, 16), Image.Resampling.BICUBIC))
    assert images.images.shape == (1797, 1, 16, 16)
    assert np.array_equal(images.images[17, 0], expected)
    assert load_images("digits", DataSettings(channels=3, max_images=7)).images.shape == (7, 3, 16, 16)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_photos_are_colour_patches_at_any_size(size: int) -> None:
    images = load_images("photos", DataSettings(image_size=size, max_images=40))
    assert images.images.shape == (40, 3, size, size)
    assert images.labels is None
    assert images.images.std() > 30
    assert len({image.tobytes() for image in images.images}) == 40


def test_photos_larger_than_the_photographs_are_enlarged() -> None:
    assert load_images("photos", DataSettings(image_size=448, max_images=2)).images.shape == (2, 3, 448, 448)


def test_more_photos_extend_fewer() -> None:
    few, many = (load_images("photos", DataSettings(max_images=n)) for n in (10, 25))
    assert np.array_equal(few.images, many.images[:10])
    assert few.fingerprint != many.fingerprint
    assert few.fingerprint == load_images("photos", DataSettings(max_images=10)).fingerprint


def test_a_patch_of_the_smallest_scale_is_cut_unchanged() -> None:
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    patches = load_images("photos", DataSettings(max_images=30)).images
    windows = [np.lib.stride_tricks.sliding_window_view(p, (32, 32), axis=(0, 1)) for p in photographs]
    found = [
        any((w[..., 0, 0] == patch[:, 0, 0]).all(-1).any() and _contains(w, patch) for w in windows)
        for patch in patches
    ]
    assert 2 <= sum(found) <= 20  # one scale of four: about 7.5


def _contains(windows: np.ndarray, patch: np.ndarray) -> bool:
    corners = np.argwhere((windows[..., 0, 0] == patch[:, 0, 0]).all(-1))
    return any(np.array_equal(windows[y, x], patch) for y, x in corners)


def test_embedded_sets_have_no_parts() -> None:
    for source in ("digits", "photos"):
        with pytest.raises(UserError, match="has no parts"):
            load_images(source, DataSettings(split="test"))


def test_without_scikit_learn_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr("degas.data.embedded.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[data\]'"):
        load_images("digits", DataSettings())


def test_files_that_have_moved_are_one_clear_line(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "degas.data.embedded.find_spec",
        lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]),
    )
    with pytest.raises(UserError, match=r"digits\.csv\.gz: this version of scikit-learn keeps the file elsewhere"):
        load_images("digits", DataSettings())


def test_loading_them_does_not_import_scikit_learn() -> None:
    code = (
        "import sys\nfrom degas.data.sources import load_images\nfrom degas.settings.sections import DataSettings\n"
        "for name in ('digits', 'photos'): load_images(name, DataSettings(max_images=4))\n"
        "print('sklearn' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
