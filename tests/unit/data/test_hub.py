from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from degas.data import hub
from degas.data.decode import FitRule, decode_all
from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings

datasets = pytest.importorskip("datasets", reason="the library datasets comes with the extra `data`")
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def dataset(labels=(1, 0, 1, 1), names=("cat", "dog")):
    cells = [{"bytes": png(array), "path": None} for array in PIXELS]
    features = datasets.Features(
        {"id": datasets.Value("int64"), "img": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    )
    return datasets.Dataset.from_dict({"id": [5, 6, 5, 7], "img": cells, "label": list(labels)}, features=features)


def load(source, tmp_path: Path, **settings):
    return load_images(str(source), DataSettings(image_size=8, cache=tmp_path / "cache", **settings))


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    dataset().to_parquet(tmp_path / "data.parquet")
    return tmp_path / "data.parquet"


def test_a_parquet_of_the_library_comes_back(parquet: Path, tmp_path: Path) -> None:
    images = load(parquet, tmp_path)
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))
    assert images.labels.tolist() == [1, 0, 1, 1]
    assert images.class_names == ("cat", "dog")


def test_the_second_start_does_not_need_the_library(parquet: Path, tmp_path: Path, monkeypatch) -> None:
    first = load(parquet, tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert load(parquet, tmp_path).fingerprint == first.fingerprint
    with pytest.raises(UserError, match=r"pip install -e '\.\[data\]'"):
        load(parquet, tmp_path, max_images=2)


def test_columns_can_be_chosen(parquet: Path, tmp_path: Path) -> None:
    images = load(parquet, tmp_path, image_column="img", label_column="id")
    assert images.labels.tolist() == [0, 1, 0, 2]
    assert images.class_names == ("5", "6", "7")
    with pytest.raises(UserError, match=r"--data\.image-column: .* no column 'image'; did you mean 'img'"):
        load(parquet, tmp_path, image_column="image")
    with pytest.raises(UserError, match=r"--data\.label-column: .* no column 'lable'; did you mean 'label'"):
        load(parquet, tmp_path, label_column="lable")
    with pytest.raises(UserError, match="column 'label' holds no encoded images"):
        load(parquet, tmp_path, image_column="label")


def test_a_parquet_of_plain_bytes_comes_back(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"picture": [png(array) for array in PIXELS], "kind": ["b", "a", "b", "a"]})
    parquet.write_table(table, tmp_path / "plain.parquet")
    images = load(tmp_path / "plain.parquet", tmp_path, label_column="kind")
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))
    assert images.labels.tolist() == [1, 0, 1, 0]
    assert load(tmp_path / "plain.parquet", tmp_path).labels is None


@pytest.mark.parametrize("damage", [lambda d: d[:200], lambda d: b"PAR1", lambda d: b""])
def test_a_damaged_parquet_is_named(parquet: Path, tmp_path: Path, damage) -> None:
    parquet.write_bytes(damage(parquet.read_bytes()))
    with pytest.raises(UserError, match=r"data\.parquet: damaged, or not a parquet file") as caught:
        load(parquet, tmp_path)
    assert "\n" not in str(caught.value)


def test_stored_paths_and_empty_cells_are_named(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image(decode=False)})
    for cell, message in [
        ({"bytes": None, "path": "/no/such.png"}, "as the path '/no/such.png' only"),
        (None, "empty"),
    ]:
        table = datasets.Dataset.from_dict({"image": [cell]}, features=features)
        pictures = hub.table_records("x", table, DataSettings()).read(np.array([0]))
        with pytest.raises(UserError, match=message):
            list(decode_all(pictures, FitRule(8)))


class FakeHub:
    """Stands for the network: `load_dataset` gives a local set or raises as the library does."""

    Image = datasets.Image

    def load_dataset(self, name, configuration, split):
        if name == "none/such":
            raise ConnectionError("Couldn't reach 'none/such' on the Hub\n(offline)")
        assert (name, configuration, split) in [("some/set", None, "train"), ("some/set", "plain", "test")]
        return dataset() if split == "train" else dataset(labels=(-1, -1, -1, -1))


def test_a_hub_id_with_split_and_configuration(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(hub, "_library", FakeHub)
    images = load("hub:some/set", tmp_path)
    assert np.array_equal(images.images, PIXELS.transpose(0, 3, 1, 2))
    assert images.labels.tolist() == [1, 0, 1, 1]
    assert load("hub:some/set:plain", tmp_path, split="test").labels is None  # withheld labels
    with pytest.raises(UserError, match=r"^hub:none/such: Couldn't reach .*check the id") as caught:
        load("hub:none/such", tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="id is missing"):
        load("hub:", tmp_path)


def test_a_file_beside_the_table_is_read_and_no_images_at_all_are_named(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(PIXELS[0]))
    cell, where = (
        {"bytes": None, "path": str(tmp_path / "0.png")},
        datasets.Features({"image": datasets.Image(decode=False)}),
    )
    table = datasets.Dataset.from_dict({"image": [cell]}, features=where)
    (_, found), *_ = hub.table_records("x", table, DataSettings()).read(np.array([0]))
    assert found == tmp_path / "0.png"
    with pytest.raises(UserError, match=r"x: no column of images; columns are id, label; set --data\.image-column"):
        hub.table_records("x", dataset().remove_columns("img"), DataSettings())


def test_a_column_of_mixed_or_broken_numbers_gives_no_labels() -> None:
    table = dataset().add_column("score", [0.5, 1.5, 0.5, 1.0])
    with pytest.raises(UserError, match="column 'score' must hold only integers or only texts"):
        hub.table_records("x", table, DataSettings(label_column="score"))


@pytest.mark.parametrize("name", ["/etc/set", "../set", "./set", "a/b/c"])
def test_a_path_behind_hub_is_refused_unread(name: str, tmp_path: Path, monkeypatch) -> None:
    """The library would run a loading script that lies there."""
    monkeypatch.setattr(hub, "_library", lambda: pytest.fail("asked the library"))
    with pytest.raises(UserError, match="not a data set's id"):
        load(f"hub:{name}", tmp_path)


def test_a_part_of_a_single_file_is_refused(parquet: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data\.split: .*data\.parquet is a single part"):
        load(parquet, tmp_path, split="test")


def test_a_label_out_of_range_is_named() -> None:
    table = dataset(labels=(1, -1, 0, 1))
    with pytest.raises(UserError, match="image 1 has label -1, expected 0 to 1"):
        hub.table_records("x", table, DataSettings())
