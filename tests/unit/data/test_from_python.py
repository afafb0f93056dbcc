"""Images in memory: what is accepted comes out as from files, what is not is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from degas.api import stages as api
from degas.data.image_set import ImageSet
from degas.data.sources import images_from, register_source
from degas.errors import Notice, UserError
from degas.settings.sections import DataSettings

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(6) % 2
SETTINGS = DataSettings(image_size=8)


class Items:
    """A map-style data set."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < len(self.items):
            raise IndexError(i)
        return self.items[i]


class Named(Items):
    classes = ("cat", "dog")


PICTURES = [Image.fromarray(pixels) for pixels in PIXELS]
TENSORS = [torch.from_numpy(pixels).permute(2, 0, 1) for pixels in PIXELS]


@pytest.mark.parametrize(
    "data",
    [
        PIXELS,
        PIXELS.transpose(0, 3, 1, 2),
        torch.from_numpy(PIXELS),
        torch.from_numpy(PIXELS).permute(0, 3, 1, 2),
        PICTURES,
        list(PIXELS),
        TENSORS,
        Items(PICTURES),
        Items(TENSORS),
        torch.utils.data.TensorDataset(torch.stack(TENSORS)),
        (PIXELS, None),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_is_accepted_keeps_its_pixels(data: Any) -> None:
    images = images_from(data, SETTINGS)
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))
    assert images.labels is None


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ((PIXELS, LABELS), ("0", "1")),
        ((torch.from_numpy(PIXELS), torch.from_numpy(LABELS)), ("0", "1")),
        ((PICTURES, list(LABELS)), ("0", "1")),
        ((PIXELS, LABELS, ["cat", "dog"]), ("cat", "dog")),
        (Items(list(zip(PICTURES, LABELS.tolist(), strict=True))), ("0", "1")),
        (Named(list(zip(TENSORS, torch.from_numpy(LABELS), strict=True))), ("cat", "dog")),
        (Items([{"image": p, "label": int(k)} for p, k in zip(PICTURES, LABELS, strict=True)]), ("0", "1")),
        (torch.utils.data.TensorDataset(torch.stack(TENSORS), torch.from_numpy(LABELS)), ("0", "1")),
        (list(zip(PICTURES, LABELS.tolist(), strict=True)), ("0", "1")),
    ],
)
def test_labels_come_along(data: Any, names: tuple[str, ...]) -> None:
    images = images_from(data, SETTINGS)
    assert images.labels is not None
    assert images.labels.tolist() == LABELS.tolist()
    assert images.class_names == names
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))


def test_a_table_of_the_hubs_library_is_read_as_from_the_hub() -> None:
    datasets = pytest.importorskip("datasets", reason="the hub's library comes with the extra `data`")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    table = datasets.Dataset.from_dict({"image": PICTURES, "label": LABELS.tolist()}, features=features)
    images = images_from(table, SETTINGS)
    assert images.class_names == ("cat", "dog")
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))


def test_a_list_of_paths_is_a_list_of_pictures(tmp_path: Path) -> None:
    for k, picture in enumerate(PICTURES):
        picture.save(tmp_path / f"{k}.png")
    paths = [tmp_path / f"{k}.png" for k in range(6)]
    for given in (paths, [str(path) for path in paths], Items(paths)):
        assert np.array_equal(images_from(given, SETTINGS).images, PIXELS.transpose(0, 3, 1, 2))
    assert images_from(tmp_path, DataSettings(image_size=8, cache=tmp_path / "cache")).num_images == 6


def test_pictures_of_every_mode_are_decoded_as_files_are() -> None:
    grey, palette = Image.fromarray(PIXELS[0, :, :, 0]), PICTURES[0].convert("P")
    glass = Image.fromarray(np.zeros((8, 8, 4), np.uint8))
    deep = Image.fromarray(np.full((8, 8), 4095, np.uint16))
    with pytest.warns(Notice):
        images = images_from([grey, palette, glass, deep], DataSettings(image_size=8, bits=12))
    assert np.array_equal(images.images[0, 0], PIXELS[0, :, :, 0])
    assert (images.images[2] == 255).all()
    assert (images.images[3] == 255).all()
    assert {note.kind for note in images.notes} == {"transparency", "sixteen_bits"}


def test_settings_hold_for_images_in_memory() -> None:
    images = images_from((PIXELS, LABELS), DataSettings(image_size=4, channels=1, max_images=3))
    assert images.images.shape == (3, 1, 4, 4)
    with pytest.raises(UserError, match=r"--data\.split: ndarray has no parts"):
        images_from(PIXELS, DataSettings(split="train"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "^data: an object of type NoneType is not a source of images; give a source's name or path, an array"),
        (7, "^data: an object of type int is not a source"),
        ({"images": PIXELS}, "^data: an object of type dict is not a source"),
        (
            torch.utils.data.DataLoader(Items(PICTURES)),
            "^data: an object of type torch.utils.data.*DataLoader is not a source",
        ),
        ((x for x in PICTURES), "^data: an object of type generator is not a source"),
        (PIXELS / 255, "^ndarray: images: float64 pixels; save them as uint8, 0 to 255"),
        (PIXELS[0, 0], "^ndarray: images: shape"),
        (np.array(PICTURES[:0]), "^ndarray: images: float64"),
        ([], "no images in it"),
        ([p / 255 for p in PIXELS], "^6 of 6 pictures .*list 5: has float64 pixels; give uint8, 0 to 255"),
        ([*PICTURES, 3], "^list 6: is an object of type int; give a PIL image"),
        ([PIXELS[0, 0, 0]], r"^list 0: has shape \(3,\)"),
        ((PIXELS, LABELS[:3]), "^ndarray: labels: .*expected 6 integers"),
        ((PIXELS, LABELS / 2), "^ndarray: labels: float64"),
        (
            Items([(p, "cat") for p in PICTURES]),
            "the second part of its items is an object of type str; a label is a whole number",
        ),
    ],
)
def test_what_is_not_accepted_is_said_in_one_line(data: Any, said: str) -> None:
    for call in (lambda: images_from(data, SETTINGS), lambda: api.search(data, progress=False)):
        with pytest.raises(UserError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        ImageSet(PIXELS, None, (), "mine", ""),
        ImageSet(PIXELS.transpose(0, 3, 1, 2) / 255, None, (), "mine", ""),
        ImageSet(PIXELS.transpose(0, 3, 1, 2), LABELS[:2], ("a", "b"), "mine", ""),
        ImageSet(PIXELS.transpose(0, 3, 1, 2), LABELS, ("a",), "mine", ""),
        ImageSet(np.zeros((0, 3, 8, 8), np.uint8), None, (), "mine", ""),
    ],
)
def test_an_image_set_made_by_hand_is_looked_at(wrong: ImageSet) -> None:
    with pytest.raises(UserError, match=r"^ImageSet: "):
        api.search(wrong, progress=False)


def test_a_registered_source_may_return_any_of_them() -> None:
    register_source("pil-list", lambda: (PICTURES, LABELS))
    images = images_from("pil-list", SETTINGS)
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))
    assert images.class_names == ("0", "1")
