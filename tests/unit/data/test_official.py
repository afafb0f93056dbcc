from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from official_files import (
    cifar_record,
    python2_batch,
    python2_meta,
    stl_image,
    write_folder,
    write_tar,
)
from PIL import Image

from degas.data import official
from degas.data.sources import find_origin, load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings

CIFAR_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RANDOM = np.random.default_rng(7)
CIFAR_IMAGES = RANDOM.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
CIFAR_LABELS = [9, 0, 3, 3, 1, 8, 7, 2, 5, 4, 6, 9]  # two images a batch, the last two in the test batch
STL_IMAGES = RANDOM.integers(0, 256, (6, 3, 96, 96), dtype=np.uint8)


def cifar_binary() -> dict[str, bytes]:
    files = {"cifar-10-batches-bin/batches.meta.txt": ("\n".join(CIFAR_NAMES) + "\n\n").encode()}
    for k in range(6):
        name = f"data_batch_{k + 1}" if k < 5 else "test_batch"
        records = [cifar_record(CIFAR_IMAGES[i], CIFAR_LABELS[i]) for i in (2 * k, 2 * k + 1)]
        files[f"cifar-10-batches-bin/{name}.bin"] = b"".join(records)
    return files


def cifar_python() -> dict[str, bytes]:
    files = {"cifar-10-batches-py/batches.meta": python2_meta(CIFAR_NAMES)}
    for k in (3, 0, 1, 2, 4, 5):  # the official archive's order is not the numbers' either
        name = f"data_batch_{k + 1}" if k < 5 else "test_batch"
        files[f"cifar-10-batches-py/{name}"] = python2_batch(
            CIFAR_IMAGES[2 * k : 2 * k + 2], CIFAR_LABELS[2 * k : 2 * k + 2]
        )
    return files


def stl() -> dict[str, bytes]:
    return {
        "stl10_binary/test_X.bin": stl_image(STL_IMAGES[0]),
        "stl10_binary/test_y.bin": bytes([10]),
        "stl10_binary/train_X.bin": stl_image(STL_IMAGES[1]) + stl_image(STL_IMAGES[2]),
        "stl10_binary/train_y.bin": bytes([1, 7]),
        "stl10_binary/unlabeled_X.bin": b"".join(map(stl_image, STL_IMAGES[3:])),
        "stl10_binary/class_names.txt": "\n".join(official.STL_CLASSES).encode(),
        "stl10_binary/fold_indices.txt": b"0 1\n",
    }


PACKINGS = {
    "archive": lambda path, files: write_tar(path / "official.tar.gz", files),
    "xz archive": lambda path, files: write_tar(path / "official.tar.xz", files, "w:xz"),
    "plain tar": lambda path, files: write_tar(path / "official.tar", files, "w"),
    "unpacked": lambda path, files: write_folder(path / "u", files) / next(iter(files)).split("/")[0],
    "unpacked, parent": lambda path, files: write_folder(path / "u", files),
}


@pytest.fixture(params=PACKINGS)
def pack(request, tmp_path: Path):
    return lambda files: str(PACKINGS[request.param](tmp_path, files))


def load(source: str, tmp_path: Path, **settings):
    return load_images(source, DataSettings(cache=tmp_path / "cache", **settings))


def named(images) -> list[str]:
    """The class of each image; classes without images are not among those of a set."""
    assert set(images.labels.tolist()) == set(range(images.num_classes))
    return [images.class_names[label] for label in images.labels]


def stored(images: np.ndarray, size: int) -> np.ndarray:
    """(n, 3, H, H) → bicubic (n, 3, size, size), one by one."""
    resized = [Image.fromarray(x.transpose(1, 2, 0)).resize((size, size), Image.Resampling.BICUBIC) for x in images]
    return np.stack([np.asarray(x).transpose(2, 0, 1) for x in resized])


@pytest.mark.parametrize("version", [cifar_binary, cifar_python])
def test_cifar_comes_back_pixel_by_pixel(pack, tmp_path: Path, version) -> None:
    source = pack(version())
    train, test = load(source, tmp_path), load(source, tmp_path, split="test")
    assert np.array_equal(train.images, CIFAR_IMAGES[:10])
    assert named(train) == [CIFAR_NAMES[label] for label in CIFAR_LABELS[:10]]
    assert train.class_names == tuple(name for name in CIFAR_NAMES if name != CIFAR_NAMES[6])
    assert np.array_equal(test.images, CIFAR_IMAGES[10:])
    assert named(test) == [CIFAR_NAMES[label] for label in CIFAR_LABELS[10:]]
    assert np.array_equal(load(source, tmp_path, image_size=16).images, stored(CIFAR_IMAGES[:10], 16))


def test_both_versions_of_cifar_have_one_fingerprint(tmp_path: Path) -> None:
    sources = [write_tar(tmp_path / f"{v.__name__}.tar.gz", v()) for v in (cifar_binary, cifar_python)]
    first, second = (load(str(source), tmp_path) for source in sources)
    assert first.fingerprint == second.fingerprint


def test_stl_comes_back_pixel_by_pixel(pack, tmp_path: Path) -> None:
    source = pack(stl())
    train = load(source, tmp_path, split="train", image_size=96)
    assert np.array_equal(train.images, STL_IMAGES[1:3])
    assert named(train) == ["airplane", "horse"]
    test = load(source, tmp_path, split="test", image_size=96)
    assert np.array_equal(test.images, STL_IMAGES[:1])
    assert named(test) == ["truck"]
    unlabeled = load(source, tmp_path, split="unlabeled")
    assert np.array_equal(unlabeled.images, stored(STL_IMAGES[3:], 48))
    assert (unlabeled.labels, unlabeled.class_names) == (None, ())


def test_the_papers_stl_is_the_first_so_many_unlabeled_at_48_pixels(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(official, "STL_PAPER_IMAGES", 2)
    source = str(write_tar(tmp_path / "stl10_binary.tar.gz", stl()))
    assert np.array_equal(load(source, tmp_path).images, stored(STL_IMAGES[3:5], 48))
    assert load(source, tmp_path, split="unlabeled").num_images == 3
    assert find_origin(source, DataSettings()).default_size == 48


def test_a_subset_of_stl_skips_to_its_images(tmp_path: Path) -> None:
    source = str(write_tar(tmp_path / "stl10_binary.tar.gz", stl()))
    images = load(source, tmp_path, max_images=2, image_size=96).images
    wanted = [any(np.array_equal(image, x) for x in images) for image in STL_IMAGES[3:]]
    assert sum(wanted) == 2


@pytest.mark.parametrize("version", [cifar_binary, cifar_python, stl])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_a_truncated_archive_is_named_in_one_line(tmp_path: Path, version, keep: float) -> None:
    path = write_tar(tmp_path / "cut.tar.gz", version())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(
        UserError, match=r"cut\.tar\.gz: .*(damaged or truncated|neither CIFAR-10 nor STL-10)"
    ) as caught:
        load(str(path), tmp_path)
    assert "\n" not in str(caught.value)


def test_damage_that_still_unpacks_is_found_by_the_checksum_at_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "flipped.tar.gz", cifar_binary())
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # the stored CRC itself: every byte before it unpacks
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged or truncated"):
        load(str(path), tmp_path)


def changed(files: dict[str, bytes], name: str, change) -> dict[str, bytes]:
    key = next(k for k in files if k.endswith("/" + name))
    return {**files, key: change(files[key])}


@pytest.mark.parametrize(
    ("files", "name", "change", "split", "message"),
    [
        (cifar_binary, "data_batch_2.bin", lambda d: d[:3073] + b"\n" + d[3074:], None, "image 1 has label 10"),
        (cifar_binary, "data_batch_2.bin", lambda d: d[:-1], None, "whole number of 3,073-byte records"),
        (cifar_binary, "batches.meta.txt", lambda d: b"cat\ndog\n", None, "names 2 classes"),
        (cifar_python, "data_batch_3", lambda d: d.replace(b"K\x01K\x08", b"K\x01K\x0c"), None, "image 1 has label 12"),
        (cifar_python, "data_batch_3", lambda d: d[:-3000], None, "not CIFAR-10's Python format"),
        (cifar_python, "data_batch_3", lambda d: d.replace(b"U\x06labels", b"U\x06lapels"), None, "no entry 'labels'"),
        (cifar_python, "data_batch_3", lambda d: python2_batch(CIFAR_IMAGES[4:6], [1]), None, "and n integers"),
        (stl, "train_y.bin", lambda d: bytes([1, 0]), "train", "image 1 has label 0, expected 1 to 10"),
        (stl, "train_y.bin", lambda d: bytes([11, 1]), "train", "image 0 has label 11"),
        (stl, "train_y.bin", lambda d: bytes([1]), "train", "1 labels for 2 images"),
        (stl, "unlabeled_X.bin", lambda d: d[:-5], None, "whole number of images"),
    ],
)  # fmt: skip
def test_wrong_contents_are_named(pack, tmp_path: Path, files, name, change, split, message) -> None:
    source = pack(changed(files(), name, change))
    with pytest.raises(UserError, match=message) as caught:
        load(source, tmp_path, split=split)
    assert name in str(caught.value) or "meta" in name
    assert "\n" not in str(caught.value)


def test_a_missing_batch_is_told_and_not_hidden(tmp_path: Path) -> None:
    files = cifar_binary()
    del files["cifar-10-batches-bin/data_batch_4.bin"]
    with pytest.warns(UserWarning, match=r"1 file is missing.*: .*data_batch_4\.bin"):
        images = load(str(write_folder(tmp_path / "u", files)), tmp_path)
    assert np.array_equal(images.images, np.delete(CIFAR_IMAGES[:10], [6, 7], axis=0))


@pytest.mark.parametrize("version", [cifar_binary, cifar_python])
def test_a_part_without_any_batch_is_missing(tmp_path: Path, version) -> None:
    files = {name: data for name, data in version().items() if "test_batch" not in name}
    with pytest.raises(UserError, match=r"test_batch.*missing"):
        load(str(write_folder(tmp_path / "u", files)), tmp_path, split="test")


def test_a_file_that_shrinks_while_it_is_read_is_named(tmp_path: Path, monkeypatch) -> None:
    """Its size was right when it was listed."""
    folder = write_folder(tmp_path / "u", stl())
    settings = DataSettings(cache=tmp_path / "cache")
    records = find_origin(str(folder), settings).records()
    path = next(folder.rglob("unlabeled_X.bin"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"unlabeled_X\.bin: ends within image 2; truncated"):
        list(records.read(np.arange(3)))


def test_missing_parts_and_unknown_parts_are_named(tmp_path: Path) -> None:
    files = {name: data for name, data in stl().items() if "unlabeled" not in name}
    source = str(write_folder(tmp_path / "u", files))
    with pytest.raises(UserError, match=r"unlabeled_X\.bin: missing; there is --data\.split train or test"):
        load(source, tmp_path)
    with pytest.raises(UserError, match="no part 'trian'; did you mean 'train'"):
        load(source, tmp_path, split="trian")
    del files["stl10_binary/train_y.bin"]
    with pytest.raises(UserError, match=r"train_y\.bin: missing"):
        load(str(write_folder(tmp_path / "v", files)), tmp_path, split="train")


def test_a_folder_with_several_data_sets_is_not_guessed_at(tmp_path: Path) -> None:
    write_folder(tmp_path / "all", {**cifar_binary(), **stl()})
    with pytest.raises(UserError, match=r"holds several data sets; name one of .*cifar-10-batches-bin.*stl10_binary"):
        load(str(tmp_path / "all"), tmp_path)


def test_a_tar_that_would_leave_its_folder_and_a_foreign_tar_are_refused(tmp_path: Path) -> None:
    slip = write_tar(tmp_path / "slip.tar.gz", {"../data_batch_1.bin": cifar_record(CIFAR_IMAGES[0], 1)})
    with pytest.raises(UserError, match="would be unpacked outside its folder"):
        load(str(slip), tmp_path)
    foreign = write_tar(tmp_path / "foreign.tar.gz", {"a/x.png": b""})
    with pytest.raises(UserError, match="neither CIFAR-10 nor STL-10; unpack it"):
        load(str(foreign), tmp_path)


def test_a_huge_member_is_refused(tmp_path: Path, monkeypatch) -> None:
    source = str(write_tar(tmp_path / "big.tar.gz", cifar_binary()))
    monkeypatch.setattr("degas.data.members._MAX_WHOLE_BYTES", 6000)
    with pytest.raises(UserError, match="far above the official size"):
        load(source, tmp_path)
    monkeypatch.setattr("degas.data.members._MAX_MEMBER_BYTES", 1000)
    with pytest.raises(UserError, match="refused"):
        load(source, tmp_path)
