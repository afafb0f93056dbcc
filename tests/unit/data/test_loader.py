from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from degas.data.image_set import ImageSet
from degas.data.loader import Batches, split
from degas.errors import UserError


def numbered(num: int, labels: bool = True) -> ImageSet:
    """Image i has i in its left column and i + 100 in the right one."""
    images = np.zeros((num, 1, 2, 2), np.uint8)
    images[:, 0, :, 0] = np.arange(num)[:, None]
    images[:, 0, :, 1] = np.arange(num)[:, None] + 100
    return ImageSet(images, np.arange(num) % 3 if labels else None, ("a", "b", "c") if labels else (), "test", "")


@settings(max_examples=60, deadline=None)
@given(num=st.integers(1, 60), batch=st.integers(1, 20), num_ranks=st.integers(1, 3), seed=st.integers(0, 5))
def test_an_epoch_shows_every_image_at_most_once_and_drops_less_than_a_global_batch(
    num: int, batch: int, num_ranks: int, seed: int
) -> None:
    if num < num_ranks:
        with pytest.raises(UserError, match="cannot feed"):
            Batches(numbered(num), batch, seed=seed, purpose="p", num_ranks=num_ranks)
        return
    ranks = [
        Batches(numbered(num), batch, seed=seed, purpose="p", rank=r, num_ranks=num_ranks) for r in range(num_ranks)
    ]
    for epoch in range(2):
        steps = range(epoch * ranks[0].steps_per_epoch, (epoch + 1) * ranks[0].steps_per_epoch)
        shown = Counter(int(i) for step in steps for rank in ranks for i in rank(step).index)
        assert set(shown.values()) == {1}
        global_batch = ranks[0].batch_images * num_ranks
        assert num - len(shown) < global_batch
        if num % global_batch == 0:
            assert len(shown) == num


def test_ranks_together_see_what_one_with_the_larger_batch_sees() -> None:
    one = Batches(numbered(50), 8, seed=3, purpose="critic", horizontal_flip=True)
    two = [
        Batches(numbered(50), 4, seed=3, purpose="critic", rank=r, num_ranks=2, horizontal_flip=True) for r in (0, 1)
    ]
    assert one.steps_per_epoch == two[0].steps_per_epoch
    for step in (0, 5, 6, 100):
        whole, halves = one(step), [rank(step) for rank in two]
        assert torch.equal(whole.index, torch.cat([half.index for half in halves]))
        assert torch.equal(whole.images, torch.cat([half.images for half in halves]))
        assert torch.equal(whole.labels, torch.cat([half.labels for half in halves]))


@pytest.mark.parametrize(
    ("begun", "now", "num"), [(2, 1, 50), (1, 2, 50), (4, 2, 50), (2, 4, 50), (2, 1, 11), (2, 5, 10)]
)
def test_other_processes_go_on_with_the_batches_of_those_that_began(begun: int, now: int, num: int) -> None:
    def of(rank: int, ranks: int) -> Batches:
        return Batches(
            numbered(num), 10, seed=3, purpose="x", rank=rank, num_ranks=ranks, begun_ranks=begun, horizontal_flip=True
        )

    before, after = ([of(rank, ranks) for rank in range(ranks)] for ranks in (begun, now))
    assert {each.steps_per_epoch for each in before} == {each.steps_per_epoch for each in after}
    for step in (0, 1, 5, 100):
        one, other = ([rank(step) for rank in ranks] for ranks in (before, after))
        for part in ("index", "images", "labels"):
            wholes = [torch.cat([getattr(batch, part) for batch in batches]) for batches in (one, other)]
            assert torch.equal(*wholes), part


def test_batches_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(UserError, match=r"cannot resume with 3 processes: the run's batches have 20 images"):
        Batches(numbered(50), 10, seed=0, purpose="x", num_ranks=3, begun_ranks=2)
    with pytest.raises(UserError, match=r"10 images cannot feed 11 processes"):
        Batches(numbered(10), 11, seed=0, purpose="x", num_ranks=11, begun_ranks=1)


def test_a_step_depends_on_nothing_but_its_number() -> None:
    forward, backward = (Batches(numbered(30), 7, seed=0, purpose="x", horizontal_flip=True) for _ in range(2))
    steps = list(range(12))
    one = {step: forward(step) for step in steps}
    other = {step: backward(step) for step in reversed(steps)}
    assert all(torch.equal(one[step].images, other[step].images) for step in steps)


def test_epochs_seeds_and_purposes_order_differently() -> None:
    orders = [
        tuple(Batches(numbered(40), 40, seed=seed, purpose=purpose)(epoch).index.tolist())
        for seed, purpose, epoch in [(0, "a", 0), (0, "a", 1), (1, "a", 0), (0, "b", 0)]
    ]
    assert len(set(orders)) == 4


def test_images_and_labels_belong_to_their_index() -> None:
    batch = Batches(numbered(20), 6, seed=0, purpose="x")(2)
    assert batch.images.dtype == torch.uint8
    assert batch.index.dtype == batch.labels.dtype == torch.int64
    assert torch.equal(batch.images[:, 0, 0, 0].long(), batch.index)
    assert torch.equal(batch.labels, batch.index % 3)
    assert Batches(numbered(20, labels=False), 6, seed=0, purpose="x")(0).labels is None


def test_a_subset_of_rows_keeps_the_row_numbers_of_the_set() -> None:
    rows = np.array([3, 5, 8, 13])
    batches = Batches(numbered(20), 2, seed=0, purpose="x", rows=rows)
    assert batches.steps_per_epoch == 2
    assert sorted(int(i) for step in range(2) for i in batches(step).index) == rows.tolist()


def test_a_set_smaller_than_a_batch_comes_whole_each_step() -> None:
    batches = Batches(numbered(5), 64, seed=0, purpose="x")
    assert batches.steps_per_epoch == 1
    assert all(sorted(batches(step).index.tolist()) == [0, 1, 2, 3, 4] for step in range(3))


def test_flipping_mirrors_about_half_and_leaves_the_set_alone() -> None:
    images = numbered(50)
    before = images.images.copy()
    batches = Batches(images, 50, seed=0, purpose="x", horizontal_flip=True)
    mirrored = 0
    for step in range(20):
        batch = batches(step)
        left = batch.images[:, 0, 0, 0].long()
        flipped = left != batch.index
        assert torch.equal(left[flipped], batch.index[flipped] + 100)
        mirrored += int(flipped.sum())
    assert 400 < mirrored < 600  # 500 ± 6 standard deviations of 15.8
    assert np.array_equal(images.images, before)
    assert not any((Batches(images, 50, seed=0, purpose="x")(s).images[:, 0, 0, 0] >= 100).any() for s in range(3))


def test_batches_of_a_read_only_map_may_be_written_to(tmp_path) -> None:
    images = numbered(10)
    np.save(tmp_path / "images.npy", images.images)
    mapped = ImageSet(np.load(tmp_path / "images.npy", mmap_mode="r"), None, (), "test", "")
    batch = Batches(mapped, 4, seed=0, purpose="x", horizontal_flip=True)(0)
    batch.images.fill_(7)
    assert np.array_equal(mapped.images, images.images)


def test_a_split_is_disjoint_and_everything_and_drawn_from_seed_and_purpose() -> None:
    stays, held = split(100, 10, seed=3, purpose="p")
    assert (len(stays), len(held)) == (90, 10)
    assert sorted([*stays, *held]) == list(range(100))
    assert list(stays) == sorted(stays)
    assert np.array_equal(held, split(100, 10, seed=3, purpose="p")[1])
    for other in (split(100, 10, seed=4, purpose="p"), split(100, 10, seed=3, purpose="q")):
        assert not np.array_equal(held, other[1])
