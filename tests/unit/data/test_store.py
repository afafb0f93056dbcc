"""Where pixels lie: the same batches from anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from degas.data.image_set import ImageSet
from degas.data.loader import Batches
from degas.data.store import RESIDENT_SHARE, Store, _fits

CPU, META = torch.device("cpu"), torch.device("meta")
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 4), dtype=np.uint8)


def test_rows_are_copies() -> None:
    store = Store(PIXELS, CPU)
    rows = np.array([3, 0, 3])
    found = store(rows)
    assert np.array_equal(found.numpy(), PIXELS[rows])
    found.zero_()
    assert PIXELS[3].any()


def test_what_fits_a_device_moves_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pretended GPU's memory; the CPU holds nothing twice."""
    free = PIXELS.nbytes / RESIDENT_SHARE
    for memory, fits in ((free, True), (free - 8, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device, memory=memory: (memory, 0))
        assert _fits(PIXELS, torch.device("cuda")) is fits
    assert not _fits(PIXELS, CPU)


@pytest.mark.parametrize("flip", [False, True])
def test_resident_pixels_give_the_same_batches(flip: bool) -> None:
    labels = np.arange(10, dtype=np.int64)
    images = ImageSet(PIXELS, labels, tuple("abcdefghij"), "noise", "0")
    plain = Batches(images, 4, seed=0, purpose="test", horizontal_flip=flip)
    store = Store(PIXELS, CPU)
    store._resident = torch.from_numpy(PIXELS)  # as on a GPU
    resident = Batches(images, 4, seed=0, purpose="test", horizontal_flip=flip, store=store)
    flipped = False
    for step in range(5):
        mine, its = resident(step), plain(step)
        assert torch.equal(mine.images, its.images)
        assert torch.equal(mine.index, its.index)
        assert mine.labels is not None
        assert torch.equal(mine.labels, mine.index)
        straight = torch.from_numpy(PIXELS[its.index.numpy()])
        for image, original in zip(its.images, straight, strict=True):
            mirrored = not torch.equal(image, original)
            assert not mirrored or torch.equal(image, original.flip(2))
            flipped |= mirrored
    assert flipped is flip


@pytest.mark.filterwarnings("error")
def test_pixels_that_may_only_be_read_are_taken_without_a_warning() -> None:
    pixels = PIXELS.copy()
    pixels.flags.writeable = False
    for device in (CPU, META):
        assert Store(pixels, device)(np.array([1, 2])).shape == (2, 3, 4, 4)


def test_batches_lie_where_the_store_does() -> None:
    images = ImageSet(PIXELS, None, (), "noise", "0")
    batch = Batches(images, 4, seed=0, purpose="test", store=Store(PIXELS, META))(0)
    assert (batch.images.device, batch.index.device, batch.labels) == (META, META, None)
