from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from degas.data.image_set import ImageSet, content_fingerprint, fixed_subset, with_present_classes


@given(num=st.integers(0, 200), small=st.integers(1, 250), large=st.integers(1, 250))
def test_subsets_are_nested_ascending_and_of_the_asked_size(num: int, small: int, large: int) -> None:
    small, large = sorted((small, large))
    inner, outer = fixed_subset(num, small), fixed_subset(num, large)
    assert len(inner) == min(num, small)
    assert set(inner) <= set(outer) <= set(range(num))
    assert (np.diff(inner) > 0).all()


def test_a_subset_keeps_the_classes_in_balance() -> None:
    labels = np.repeat(np.arange(10), 500)
    counts = np.bincount(labels[fixed_subset(5000, 1000)], minlength=10)
    assert counts.min() > 65  # 100 each, with a standard deviation of about 8.5
    assert counts.max() < 135


def test_the_fingerprint_sees_pixels_labels_names_and_shape() -> None:
    images, labels = np.zeros((4, 1, 2, 2), np.uint8), np.array([0, 1, 0, 1])
    changed = images.copy()
    changed[3, 0, 1, 1] = 1
    variants = [
        (images, labels, ("a", "b")),
        (changed, labels, ("a", "b")),
        (images, labels[::-1], ("a", "b")),
        (images, labels, ("a", "c")),
        (images, None, ()),
        (images.reshape(1, 4, 2, 2), None, ()),
    ]
    assert len({content_fingerprint(*variant) for variant in variants}) == len(variants)
    assert content_fingerprint(images, labels, ("a", "b")) == content_fingerprint(images.copy(), labels, ("a", "b"))


def test_a_set_made_by_hand_loses_the_classes_that_no_image_has() -> None:
    images = np.zeros((4, 3, 8, 8), np.uint8)
    made = ImageSet(images, np.array([3, 1, 3, 1]), ("a", "b", "c", "d"), "x", "any")
    kept = with_present_classes(made)
    assert (kept.labels.tolist(), kept.class_names) == ([1, 0, 1, 0], ("b", "d"))
    assert str(kept.notes[0]) == "2 classes without images are left out: a, c"
    assert kept.fingerprint == content_fingerprint(images, kept.labels, ("b", "d"))
    assert with_present_classes(kept) is kept
    assert with_present_classes(plain := ImageSet(images, None, (), "x", "any")) is plain


def test_a_set_without_labels_has_no_classes() -> None:
    images = np.zeros((4, 3, 8, 8), np.uint8)
    plain = ImageSet(images, None, (), "x", "")
    assert (plain.num_images, plain.channels, plain.image_size, plain.num_classes) == (4, 3, 8, 0)
    assert ImageSet(images, np.zeros(4, np.int64), ("a", "b"), "x", "").num_classes == 2
