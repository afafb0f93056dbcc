from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.data.sources import find_origin, load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings


def write(path: Path, value: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    """A picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 255 - value)).save(path)
    return path


def load(path: Path, tmp_path: Path, **settings):
    return load_images(str(path), DataSettings(image_size=8, cache=tmp_path / "cache", **settings))


def zipped(folder: Path) -> Path:
    path = folder.with_name(folder.name + "_zipped.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return path


@pytest.fixture(params=["folder", "zip"])
def packed(request):
    return (lambda folder: folder) if request.param == "folder" else zipped


def test_class_folders_give_labels_in_sorted_order(tmp_path: Path, packed) -> None:
    root = tmp_path / "data"
    for k, name in enumerate(["zebra", "ant", "Bear"]):
        for i in range(2):
            write(root / name / f"{i}.png", 10 * k + i)
    images = load(packed(root), tmp_path)
    assert images.class_names == ("Bear", "ant", "zebra")  # code-point order, as Python sorts
    assert images.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert images.labels.dtype == np.int64
    assert images.images[:, 0, 0, 0].tolist() == [20, 21, 10, 11, 0, 1]
    assert images.num_classes == 3


def test_loose_images_have_no_labels(tmp_path: Path, packed) -> None:
    for i in (2, 10, 1):
        write(tmp_path / "data" / f"{i}.png", i)
    images = load(packed(tmp_path / "data"), tmp_path)
    assert images.labels is None
    assert images.images[:, 0, 0, 0].tolist() == [1, 10, 2]


def test_a_single_folder_of_images_has_no_labels(tmp_path: Path, packed) -> None:
    write(tmp_path / "data" / "all" / "1.png", 1)
    images = load(packed(tmp_path / "data"), tmp_path)
    assert images.labels is None
    assert images.class_names == ()


def test_hidden_and_foreign_files_are_ignored(tmp_path: Path, packed) -> None:
    root = tmp_path / "data"
    write(root / "a" / "1.png", 1)
    write(root / "b" / "2.PNG", 2)
    write(root / "a" / ".hidden.png", 3)
    write(root / ".git" / "4.png", 4)
    (root / "README.txt").write_text("no image")
    (root / "notes").mkdir()
    (root / "notes" / "x.csv").write_text("1")
    images = load(packed(root), tmp_path)
    assert images.images[:, 0, 0, 0].tolist() == [1, 2]
    assert images.class_names == ("a", "b")


def test_folders_inside_a_class_folder_belong_to_the_class(tmp_path: Path, packed) -> None:
    root = tmp_path / "data"
    write(root / "a" / "deep" / "1.png", 1)
    write(root / "a" / "2.png", 2)
    write(root / "b" / "3.png", 3)
    assert load(packed(root), tmp_path).class_names == ("a", "b")


def test_a_mix_of_loose_images_and_class_folders_is_refused(tmp_path: Path, packed) -> None:
    root = tmp_path / "data"
    write(root / "a" / "1.png", 1)
    write(root / "2.png", 2)
    with pytest.raises(UserError, match=r"both loose images \(2\.png, …\) and folders"):
        load(packed(root), tmp_path)


@pytest.mark.parametrize(("split", "expected"), [(None, [1, 2]), ("train", [1, 2]), ("test", [3, 4])])
def test_parts_of_a_data_set_are_no_classes(tmp_path: Path, packed, split, expected) -> None:
    root = tmp_path / "data"
    for value, name in [(1, "train/a/1"), (2, "train/b/2"), (3, "test/a/3"), (4, "test/b/4")]:
        write(root / f"{name}.png", value)
    images = load(packed(root), tmp_path, split=split)
    assert images.images[:, 0, 0, 0].tolist() == expected
    assert images.class_names == ("a", "b")


def test_the_only_part_is_taken(tmp_path: Path, packed) -> None:
    for value, name in [(1, "train/a/1"), (2, "train/b/2")]:
        write(tmp_path / "data" / f"{name}.png", value)
    assert load(packed(tmp_path / "data"), tmp_path).class_names == ("a", "b")


def test_an_unknown_part_and_a_part_of_nothing_are_named(tmp_path: Path) -> None:
    write(tmp_path / "parts" / "train" / "a.png", 1)
    write(tmp_path / "parts" / "test" / "a.png", 1)
    with pytest.raises(UserError, match="no part 'tset'; did you mean 'test'"):
        load(tmp_path / "parts", tmp_path, split="tset")
    write(tmp_path / "plain" / "a.png", 1)
    with pytest.raises(UserError, match="has no parts"):
        load(tmp_path / "plain", tmp_path, split="test")


def test_an_empty_folder_is_named(tmp_path: Path, packed) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").write_text("")
    with pytest.raises(UserError, match="no images in it"):
        load(packed(tmp_path / "data"), tmp_path)


def test_an_unreadable_image_stops_with_its_name_and_leaves_no_cache(tmp_path: Path, packed) -> None:
    for i in range(3):
        write(tmp_path / "data" / f"{i}.png", i)
    (tmp_path / "data" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"1\.png: cannot be read as an image"):
        load(packed(tmp_path / "data"), tmp_path)
    assert not [p for p in (tmp_path / "cache" / "images").iterdir() if p.is_dir()]


def test_channels_are_what_the_images_have_unless_asked(tmp_path: Path, packed) -> None:
    for i in range(3):
        write(tmp_path / "grey" / f"{i}.png", 50 * i, mode="L")
    source = packed(tmp_path / "grey")
    assert load(source, tmp_path).images[:, :, 0, 0].tolist() == [[0], [50], [100]]
    assert load(source, tmp_path, channels=3).images[:, :, 0, 0].tolist() == [[0] * 3, [50] * 3, [100] * 3]
    write(tmp_path / "grey" / "3.png", 255)
    source = packed(tmp_path / "grey")
    assert load(source, tmp_path).channels == 3
    assert load(source, tmp_path, channels=1).images[3, :, 0, 0].tolist() == [76]  # 0.299 · 255


def test_sizes_crop_and_stretch(tmp_path: Path, packed) -> None:
    write(tmp_path / "data" / "wide.png", 7, (40, 20))
    write(tmp_path / "data" / "small.png", 9, (3, 5))
    for settings in ({}, {"fit": "stretch"}, {"crop_pixels": 2}):
        images = load(packed(tmp_path / "data"), tmp_path, **settings)
        assert images.images.shape == (2, 3, 8, 8)
        assert images.images[:, 0].reshape(2, -1).tolist() == [[9] * 64, [7] * 64]
    with pytest.raises(UserError, match="stretch crops nothing"):
        load(packed(tmp_path / "data"), tmp_path, fit="stretch", crop_pixels=2)


def test_max_images_takes_the_fixed_subset_with_its_labels(tmp_path: Path, packed) -> None:
    root = tmp_path / "data"
    for i in range(20):
        write(root / "ab"[i % 2] / f"{i:02}.png", i)
    source = packed(root)
    few, more = load(source, tmp_path, max_images=5), load(source, tmp_path, max_images=9)
    values = [images.images[:, 0, 0, 0].tolist() for images in (few, more)]
    assert (len(values[0]), len(values[1])) == (5, 9)
    assert set(values[0]) < set(values[1])
    assert few.labels.tolist() == [value % 2 for value in values[0]]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "1.png", 1)
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "linked")
    os.symlink(tmp_path / "data", tmp_path / "elsewhere" / "loop")
    assert load(tmp_path / "data", tmp_path).num_images == 1


def test_celeba_is_cropped_to_108_pixels(tmp_path: Path, packed) -> None:
    array = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    root = tmp_path / "celeba"
    (root / "img_align_celeba").mkdir(parents=True)
    Image.fromarray(array).save(root / "img_align_celeba" / "000001.png")
    crop = Image.fromarray(array[55:163, 35:143])
    for size in (32, 64):
        images = load_images(str(packed(root)), DataSettings(image_size=size, cache=tmp_path / "cache"))
        expected = np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        assert np.array_equal(images.images[0], expected)
        assert images.labels is None
    assert find_origin(str(packed(root)), DataSettings()).default_size == 32


def test_a_folder_and_its_zip_are_one_data_set(tmp_path: Path) -> None:
    for k, name in enumerate(["a/x", "a-b/x", "a.c/y/z", "a/b/c"]):
        write(tmp_path / "data" / f"{name}.png", k)
    folder, archive = (load(p, tmp_path) for p in (tmp_path / "data", zipped(tmp_path / "data")))
    assert folder.class_names == ("a", "a-b", "a.c")
    assert folder.fingerprint == archive.fingerprint


def test_a_folder_that_may_not_be_read_is_named_and_not_taken_for_an_empty_one(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "data" / "a" / "0.png", 1)
    write(tmp_path / "data" / "b" / "0.png", 2)
    listing = os.scandir

    def guarded(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(UserError, match=r"data/b: cannot be read \(Permission denied\)"):
        load(tmp_path / "data", tmp_path)


def test_several_parts_without_a_choice_are_listed(tmp_path: Path) -> None:
    for part in ("test", "valid"):
        for name in ("a", "b"):
            write(tmp_path / "data" / part / name / "0.png", 1)
    with pytest.raises(UserError, match=r"choose a part with --data\.split: test, valid"):
        load(tmp_path / "data", tmp_path)


def test_a_class_folder_in_another_encoding_is_named(tmp_path: Path) -> None:
    for name in (b"good", b"caf\xe9"):
        folder = os.fsencode(tmp_path) + b"/" + name
        os.mkdir(folder)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(os.fsdecode(folder) + "/a.png")
    with pytest.raises(UserError, match=r"the class folder 'caf\\udce9' has a name that is not valid UTF-8; rename it"):
        load_images(str(tmp_path), DataSettings(image_size=8))
