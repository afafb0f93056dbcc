from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import a_run, encoded, pictures, put, stylegan, zipped
from PIL import Image

from degas.data.image_set import ImageSet
from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings

Files = dict[str, bytes | str]
Source = Callable[[Files], Path]


def load(path: Path, **settings) -> ImageSet:
    out = settings.pop("out", None)
    cache = path.parent / "cache"
    return load_images(str(path), DataSettings(image_size=8, cache=cache, **settings), out)


def values(images: ImageSet) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


def by_class(images: ImageSet) -> dict[str, list[int]]:
    assert images.labels is not None
    return {
        name: [value for value, label in zip(values(images), images.labels, strict=True) if label == k]
        for k, name in enumerate(images.class_names)
    }


def told(images: ImageSet) -> str:
    return "\n".join(map(str, images.notes))


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path: Path) -> Source:
    if request.param == "folder":
        return lambda files: put(tmp_path / "mine", files)
    return lambda files: zipped(tmp_path / "mine.zip", files)


# ------------------------------------------------------------------------------------------ nothing to tell


def test_plain_class_folders_are_told_nothing_of(source: Source) -> None:
    images = load(source(pictures(["a/0", "a/1", "b/0"])))
    assert by_class(images) == {"a": [0, 1], "b": [2]}
    assert images.notes == ()


# ------------------------------------------------------------------------------------------ runs


@pytest.mark.parametrize("stage", ["search", "train", "evaluation"])
def test_a_run_among_the_images_is_not_read(source: Source, stage: str) -> None:
    run = {f"run/{name}": content for name, content in a_run(stage).items()}
    images = load(source({**pictures(["a/0", "b/0"]), **run}))
    assert by_class(images) == {"a": [0], "b": [1]}
    assert told(images) == "1 folder with a run is left out: run"


def test_a_run_deep_inside_a_class_folder_is_not_read_either(source: Source) -> None:
    run = {f"a/deep/run/{name}": content for name, content in a_run().items()}
    assert values(load(source({**pictures(["a/0", "a/deep/1", "b/0"]), **run}))) == [0, 1, 2]


def test_the_same_images_before_and_after_a_run_beside_them(tmp_path: Path) -> None:
    root = put(tmp_path / "mine", pictures(["0", "1"]))
    before = load(root, out=root / "run")
    put(root / "run", a_run())
    after = load(root, out=root / "run")
    assert before.fingerprint == after.fingerprint
    entries = [path for path in (tmp_path / "cache" / "images").iterdir() if path.is_dir()]
    assert len(entries) == 1  # and what was decoded serves on


def test_a_measurement_is_left_out_like_a_run(tmp_path: Path) -> None:
    root = put(tmp_path / "mine", pictures(["a/0", "b/0"]))
    put(root / "measured", {"trials/settings.json": "{}", "tau.png": encoded(9)})
    assert load(root).class_names == ("a", "b")


def test_a_folder_that_is_itself_a_run_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "run", a_run())
    with pytest.raises(UserError, match=r"run: holds a run of degas; give only the folder of the images"):
        load(tmp_path / "run")


def test_a_generator_beside_images_is_no_run(tmp_path: Path) -> None:
    """Its config.json alone does not make a folder a run's."""
    root = put(tmp_path / "mine", {**pictures(["a/0", "b/0"]), "a/config.json": "{}"})
    assert load(root).class_names == ("a", "b")


def test_out_is_never_read_nor_may_it_be_the_images_own_folder(tmp_path: Path) -> None:
    root = put(tmp_path / "mine", pictures(["a/0", "b/0"]))
    with pytest.raises(UserError, match=r"--out: .*mine is the folder of the images; give another one"):
        load(root, out=root)
    with pytest.raises(UserError, match=r"--out: .*mine/b lies among the images and holds 0\.png; give a new folder"):
        load(root, out=root / "b")
    (root / "new").mkdir()
    assert load(root, out=root / "new").class_names == ("a", "b")
    assert load(root, out=tmp_path / "elsewhere").class_names == ("a", "b")


# ------------------------------------------------------------------------------------------ dataset.json


@pytest.mark.parametrize("labels", [[0, 1] * 3, [[1, 0], [0, 1]] * 3, [[1.0, 0.0], [0.0, 1.0]] * 3, [0, 7] * 3])
def test_labels_of_dataset_json_count_and_not_the_numbered_folders(source: Source, labels) -> None:
    images = load(source(stylegan(labels)))
    assert images.class_names == (("0", "7") if labels[1] == 7 else ("0", "1"))
    assert images.labels.tolist() == [0, 1] * 3
    assert "classes are those of dataset.json, not the folders" in told(images)


def test_dataset_json_without_labels_leaves_none(source: Source) -> None:
    images = load(source(stylegan(None)))
    assert (images.labels, images.num_images) == (None, 6)
    assert "dataset.json gives no labels; the folders count as parts of one set" in told(images)


def test_dataset_json_in_a_folder_names_pictures_from_there(source: Source) -> None:
    images = load(source({f"down/here/{name}": content for name, content in stylegan([0, 1] * 3).items()}))
    assert images.labels.tolist() == [0, 1] * 3


def test_labels_that_are_no_classes_are_left_out_and_told(source: Source) -> None:
    images = load(source(stylegan([[0.1, 0.2]] * 6)))
    assert images.labels is None
    assert "the labels of dataset.json are not classes and are left out" in told(images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"labels": [["00000/img00000000.png", 1]]}',
            r"dataset\.json: gives no label for 5 pictures \(00000/img00000001\.png",
        ),
        ('{"labels": [["x", "cat"]]}', "must be pairs of a file's name and a whole number"),
        ('{"labels": [', "not valid JSON; repair it, or remove it to use folders as classes"),
    ],
)
def test_a_dataset_json_that_does_not_fit_is_named(source: Source, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(source({**stylegan(None), "dataset.json": content}))


def test_a_dataset_json_of_another_program_is_one_more_file(source: Source) -> None:
    images = load(source({**pictures(["a/0", "b/0"]), "dataset.json": '{"title": "mine"}'}))
    assert by_class(images) == {"a": [0], "b": [1]}
    assert told(images) == "1 other file is left out: dataset.json"


def test_numbered_folders_alone_are_classes_and_that_is_told(source: Source) -> None:
    images = load(source(pictures(["00000/0", "00001/0"])))
    assert images.class_names == ("00000", "00001")
    assert told(images) == "the numbered folders 00000 to 00001 count as classes"


def test_a_change_of_labels_in_dataset_json_is_seen(tmp_path: Path) -> None:
    root = put(tmp_path / "mine", stylegan([0, 1] * 3))
    assert load(root).labels.tolist() == [0, 1] * 3
    put(root, {"dataset.json": stylegan([1, 0] * 3)["dataset.json"]})
    assert load(root).labels.tolist() == [1, 0] * 3


def test_a_subset_has_no_class_that_none_of_its_images_has(source: Source) -> None:
    files = pictures([f"{name}/0" for name in "abcdefgh"])
    images = load(source(files), max_images=3)
    assert images.num_classes == 3
    assert sorted(images.labels.tolist()) == [0, 1, 2]
    whole = load(source(files))
    assert [whole.class_names[value] for value in values(images)] == list(images.class_names)
    assert "5 classes without images are left out" in told(images)


# ------------------------------------------------------------------------------------------ metadata


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_labels_of_metadata_beside_the_images(source: Source, kind: str) -> None:
    rows = [("0.png", "café"), ("1.png", "ant"), ("2.png", "café")]
    lines = {
        "csv": "file_name,label\n" + "".join(f"{name},{label}\n" for name, label in rows),
        "jsonl": "".join(json.dumps({"file_name": name, "label": label}) + "\n" for name, label in rows),
    }
    images = load(source({**pictures("012"), f"metadata.{kind}": lines[kind]}))
    assert by_class(images) == {"ant": [1], "café": [0, 2]}
    assert told(images) == f"classes are those of metadata.{kind}, column label"


def test_metadata_of_each_part_names_pictures_from_its_folder(source: Source) -> None:
    files = pictures(["train/0", "train/1", "test/0"])
    for part, rows in (("train", "0.png,2\n1.png,10\n"), ("test", "0.png,3\n")):
        files[f"{part}/metadata.csv"] = "file_name,kind\n" + rows
    images = load(source(files), label_column="kind")
    assert by_class(images) == {"2": [0], "10": [1]}
    with pytest.raises(UserError, match="has no column 'knid'; did you mean 'kind'"):
        load(source(files), label_column="knid")


def test_metadata_without_classes_is_told(source: Source) -> None:
    images = load(source({**pictures("01"), "metadata.csv": "file_name,text\n0.png,a cat\n1.png,a dog\n"}))
    assert images.labels is None
    assert "metadata.csv gives no labels; it has the columns file_name, text; see --data.label-column" in told(images)


def test_metadata_that_leaves_a_picture_out_is_named(source: Source) -> None:
    with pytest.raises(UserError, match=r"metadata\.csv: gives no label for picture 1\.png; add"):
        load(source({**pictures("01"), "metadata.csv": "file_name,label\n0.png,a\n"}))


# ------------------------------------------------------------------------------------------ parts


@pytest.mark.parametrize(
    "tops",
    [
        ("train", "val", "predict"),
        ("Train", "Test", "other"),
        ("seg_train", "seg_test", "seg_pred"),
        ("train2017", "val2017", "test2017"),
        ("images_training", "images_validation", "images_test"),
    ],
)
def test_parts_under_other_names_are_no_classes(source: Source, tops: tuple[str, ...]) -> None:
    images = load(source(pictures([f"{tops[0]}/a/0", f"{tops[0]}/b/0", f"{tops[1]}/a/0", f"{tops[2]}/0"])))
    assert by_class(images) == {"a": [0], "b": [1]}
    assert told(images) == f"{tops[0]} is used and {tops[2]} (1), {tops[1]} (1) left out; choose with --data.split" or (
        told(images) == f"{tops[0]} is used and {tops[1]} (1), {tops[2]} (1) left out; choose with --data.split"
    )
    assert values(load(source(pictures([f"{tops[0]}/a/0", f"{tops[1]}/b/0", f"{tops[2]}/0"])), split=tops[2])) == [2]


def test_two_domains_of_one_part_are_its_classes(source: Source) -> None:
    path = source(pictures(["trainA/0", "trainA/1", "trainB/0", "testA/0", "testB/0"]))
    images = load(path)
    assert by_class(images) == {"A": [0, 1], "B": [2]}
    assert "trainA and trainB is used and testA (1), testB (1) left out; choose with --data.split" in told(images)
    assert "trainA and trainB give the classes A and B; --data.split selects only one" in told(images)
    assert by_class(load(path, split="test")) == {"A": [3], "B": [4]}
    alone = load(path, split="trainB")
    assert (values(alone), alone.labels, alone.notes) == ([2], None, ())


def test_domains_without_a_test_part_are_classes_too(source: Source) -> None:
    assert by_class(load(source(pictures(["trainA/0", "trainB/0"])))) == {"A": [0], "B": [1]}


@pytest.mark.parametrize("tops", [("train_station", "test_tube"), ("train_station", "train_track"), ("bus", "tram")])
def test_classes_whose_names_hold_a_part_stay_classes(source: Source, tops: tuple[str, str]) -> None:
    assert load(source(pictures([f"{top}/0" for top in tops]))).class_names == tuple(sorted(tops))


def test_trains_among_vehicles_are_a_class_and_told(source: Source) -> None:
    images = load(source(pictures(["bus/0", "car/0", "train/0"])))
    assert images.class_names == ("bus", "car", "train")
    assert told(images) == "train counts as a class, like the folders next to it"


# ------------------------------------------------------------------------------------------ CelebA


@pytest.mark.parametrize("above", ["", "celeba/", "celeba-dataset/img_align_celeba/"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_celeba_keeps_its_crop_wherever_its_folder_lies(tmp_path: Path, above: str, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    stream = tmp_path / "000001.png"
    Image.fromarray(pixels).save(stream)
    files: Files = {
        f"{above}list_attr_celeba.txt": "1",
        f"{above}img_align_celeba/000001.jpg": stream.read_bytes(),
        "elsewhere/0.png": encoded(3),
    }
    path = put(tmp_path / "root", files) if kind == "folder" else zipped(tmp_path / "root.zip", files)
    images = load_images(str(path), DataSettings(image_size=108, cache=tmp_path / "cache"))
    assert np.array_equal(images.images[0], pixels[55:163, 35:143].transpose(2, 0, 1))
    assert images.num_images == 1
    assert "CelebA's middle 108 px are used; --data.crop-pixels sets another size" in told(images)
    assert "1 picture next to img_align_celeba is left out: elsewhere/0.png" in told(images)


# ------------------------------------------------------------------------------------------ zips of other systems


@pytest.mark.parametrize("mac", [False, True])
def test_a_zip_with_backslashes_keeps_its_classes(tmp_path: Path, mac: bool) -> None:
    files = pictures(["pets/cats/0", "pets/cats/1", "pets/dogs/0"])
    if mac:
        files |= {f"__MACOSX/{name.replace('/', '/._')}": b"\0\5\26\7" for name in files}
    images = load(zipped(tmp_path / "win.zip", files, backslashes=True))
    assert by_class(images) == {"cats": [0, 1], "dogs": [2]}
    assert images.notes == ()


def test_a_zip_with_names_in_utf_8_that_does_not_say_so(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "café")
    images = load(zipped(tmp_path / "mac.zip", pictures([f"{name}/0", "thé/0"]), unflagged=True))
    assert images.class_names == ("café", "thé")


def test_decomposed_names_are_one_data_set_with_composed_ones(tmp_path: Path) -> None:
    names = ["café/é", "cafz/1", "zoé/2"]
    sets = []
    for form in ("NFC", "NFD"):
        sets.append(
            load(put(tmp_path / form / "mine", pictures([unicodedata.normalize(form, name) for name in names])))
        )
    assert sets[0].class_names == sets[1].class_names == ("cafz", "café", "zoé")
    assert sets[0].fingerprint == sets[1].fingerprint


def test_a_folder_is_found_however_its_name_is_composed(tmp_path: Path) -> None:
    put(tmp_path / unicodedata.normalize("NFD", "café") / "bébé", pictures(["a/0", "b/0"]))
    path = tmp_path / "café" / "bébé"
    assert load_images(str(path), DataSettings(image_size=8, cache=tmp_path / "cache")).num_images == 2


def test_a_part_is_found_however_its_name_is_composed(source: Source) -> None:
    part = unicodedata.normalize("NFD", "entraîné")
    path = source(pictures(["train/0", "test/0", f"{part}/0"]))
    assert values(load(path, split="entraîné")) == [2]


# ------------------------------------------------------------------------------------------ links


@pytest.mark.parametrize("order", [("0-latest", "a", "b", "zz"), ("zz", "b", "a", "0-latest")])
def test_links_beside_the_folders_they_name_are_left_out_in_any_order(tmp_path: Path, monkeypatch, order) -> None:
    root = put(tmp_path / "mine", pictures(["a/0", "b/0"]))
    for name, target in (("0-latest", "b"), ("zz", "a")):
        os.symlink(target, root / name)
    listing = os.scandir

    class Ordered:
        """The entries as another file system lists them."""

        def __init__(self, folder) -> None:
            with listing(folder) as entries:
                found = {entry.name: entry for entry in entries}
            self.entries = [found[name] for name in (order if set(found) == set(order) else found)]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Ordered)
    images = load(root)
    assert by_class(images) == {"a": [0], "b": [1]}
    assert told(images) == "2 links are left out, since their folders are read under their own names: 0-latest, zz"


def test_two_links_to_one_folder_elsewhere_are_one_class_by_name(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", pictures(["0"]))
    root = put(tmp_path / "mine", pictures(["c/5"]))
    for name in ("zz", "b"):
        os.symlink(tmp_path / "elsewhere", root / name)
    images = load(root)
    assert images.class_names == ("b", "c")
    assert "1 link is left out" in told(images)
    assert "zz" in told(images)


# ------------------------------------------------------------------------------------------ endings


def test_a_picture_is_read_whatever_its_name_ends_in(source: Source) -> None:
    files: Files = {f"0.{ending}": encoded(9, "JPEG") for ending in ("jpg", "jfif", "jpe", "jif", "JPEG_large", "data")}
    files |= {"none": encoded(9, "JPEG"), "w.bin": encoded(9, "WEBP")}
    files |= {"notes.txt": "", "x.csv": "1", "a.out": b"\x7fELF and more", "Thumbs.db": b"\xd0\xcf"}
    images = load(source(files))
    assert images.num_images == 8
    assert told(images) == "3 other files are left out: a.out, notes.txt, x.csv"


def test_what_cannot_be_decoded_here_is_counted_and_named(source: Source) -> None:
    files = pictures("0")
    files |= {f"p{i}.HEIC": b"\0\0\0\x18ftypheic" + bytes(200) for i in range(4)}
    files |= {"a.avif": b"\0\0\0\x1cftypavif" + bytes(200)}
    images = load(source(files))
    assert values(images) == [0]
    assert told(images) == (
        "5 pictures are left out: their format (.avif, .heic) cannot be read here; save them as PNG or JPEG: "
        "a.avif, p0.HEIC, p1.HEIC, …"
    )


def test_a_folder_of_nothing_but_foreign_pictures_says_why_there_are_none(source: Source) -> None:
    with pytest.raises(UserError, match=r"no images in it; .*; 1 picture is left out: its format \(\.heic\)"):
        load(source({"a.heic": b"\0\0\0\x18ftypheic" + bytes(200)}))
