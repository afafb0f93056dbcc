from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from official_files import python2_batch, python2_meta

from degas.data.pickles import read_pickled_data
from degas.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
BATCH = python2_batch(IMAGES, [3, 250])


def test_the_hand_written_file_is_what_pickle_reads() -> None:
    """Holds the oracle itself to the standard library."""
    batch = pickle.loads(BATCH, encoding="bytes")
    assert np.array_equal(batch[b"data"], IMAGES.reshape(2, 3072))
    assert batch[b"labels"] == [3, 250]
    assert pickle.loads(python2_meta(["cat", "dog"])) == {"label_names": ["cat", "dog"]}


def test_python_2s_file_is_read() -> None:
    batch = read_pickled_data(BATCH, "data_batch_1")
    assert np.array_equal(batch["data"], IMAGES.reshape(2, 3072))
    assert batch["labels"] == [3, 250]
    assert batch["batch_label"] == "training batch 1 of 5"
    assert batch["filenames"] == ["picture_0.png", "picture_1.png"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_python_3_writes_is_read_too(protocol: int, order: str) -> None:
    data = np.asarray(IMAGES.reshape(2, 3072), order=order)
    value = {b"data": data, b"labels": [1, 2], "other": (None, True, 1.5, -(2**40), {"a": []})}
    batch = read_pickled_data(pickle.dumps(value, protocol), "x")
    assert np.array_equal(batch["data"], data)
    assert batch["labels"] == [1, 2]
    if protocol > 0:
        assert batch["other"][:4] == (None, True, 1.5, -(2**40))


class Command:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"data": Command(tmp_path / "made"), "labels": []}, protocol)
    with pytest.raises(UserError, match="mkdir"):
        read_pickled_data(data, "evil")
    assert not (tmp_path / "made").exists()
    pickle.loads(data)
    assert (tmp_path / "made").exists()  # so the file was a real threat


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",  # INST
        b"\x80\x02cos\nsystem\n)\x81.",  # NEWOBJ
        b"\x80\x02cbuiltins\neval\nq\x00.",
        b"Pid\n.",  # persistent id
        b"\x80\x02\x82\x01.",  # extension registry
        b"\x80\x02cnumpy\ndtype\nU\x01OK\x00K\x01\x87R.",
        b"",
        b".",
        b"}u.",
        b"h\x05.",
    ],
)
def test_nothing_else_becomes_more_than_a_name(data: bytes) -> None:
    try:
        value = read_pickled_data(data, "x")
    except UserError:
        return
    assert isinstance(value, str) or type(value).__name__ == "_Dtype"


def test_object_arrays_and_wrong_shapes_are_refused() -> None:
    for array in (np.array([{}], dtype=object), np.zeros(2, np.float32)):
        with pytest.raises(UserError):
            read_pickled_data(pickle.dumps({"data": array}, 2), "x")
    with pytest.raises(UserError):
        read_pickled_data(BATCH.replace(b"M\x00\x0c\x86", b"M\x01\x0c\x86"), "x")


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, len(BATCH) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damage_never_ends_in_anything_but_a_user_error(position: int, byte: int, cut: bool) -> None:
    data = BATCH[:position] if cut else BATCH[:position] + bytes([byte]) + BATCH[position + 1 :]
    try:
        read_pickled_data(data, "x")
    except UserError:
        assert data != BATCH
