"""Streaming moments against torch.cov, batches of one size, the cache."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.evaluation import statistics
from degas.evaluation.extractors.base import Extracted, Extractor
from degas.evaluation.reference import num_floor_images, reference_order, reference_statistics
from degas.evaluation.statistics import (
    FORWARD_IMAGES,
    Collected,
    Moments,
    cache_key,
    collect,
    extract,
    fixed_batches,
    load_cached,
    merged,
    save_cached,
)
from degas.settings.sections import EvaluateSettings


def _features(n: int, d: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 100


def test_streamed_moments_are_mean_and_unbiased_covariance() -> None:
    """The past trap: E[xxᵀ] − μμᵀ loses all digits when the mean is far from 0, and dividing by N is another metric."""
    rows = _features(97) + 1e6
    moments = Moments(5)
    for part in rows.split(10):
        moments.update(part)
    torch.testing.assert_close(moments.mean, rows.mean(0), rtol=1e-14, atol=0)
    torch.testing.assert_close(moments.covariance, rows.T.cov(), rtol=1e-9, atol=1e-9)
    assert moments.count == 97


@pytest.mark.parametrize("sizes", [[50], [7] * 7 + [1], [32, 18]])
def test_blocks_change_nothing_but_the_time(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 rows, also where a batch is longer than a block."""
    monkeypatch.setattr(statistics, "BLOCK_ROWS", 16)
    rows = _features(50).float()
    collected = collect((Extracted(part, None) for part in rows.split(sizes)), 5)
    torch.testing.assert_close(collected.moments.covariance, rows.double().T.cov())
    assert torch.equal(collected.kept, rows)


def test_merged_statistics_are_those_of_the_union(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "KEPT_IMAGES", 12)
    rows = _features(30).float()
    parts = [collect(iter([Extracted(part, None)]), 5) for part in (rows[:10], rows[10:])]
    both = merged(*parts)
    torch.testing.assert_close(both.moments.covariance, rows.double().T.cov())
    assert torch.equal(both.kept, rows[:12])
    assert merged(Collected(Moments(5), torch.empty(0, 5)), parts[1]).count == 20


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Moments(5).update(torch.full((2, 5), float("inf")))


def test_a_covariance_of_one_image_is_refused() -> None:
    moments = Moments(5)
    moments.update(_features(1))
    with pytest.raises(ValueError, match="two"):
        _ = moments.covariance


@pytest.mark.parametrize("sizes", [[1] * 9, [9], [4, 5], [3, 1, 5], [8, 1], [0, 9]])
def test_batches_have_one_size_whatever_the_chunks(sizes: list[int]) -> None:
    images = torch.arange(9 * 3 * 2 * 2).reshape(9, 3, 2, 2).to(torch.uint8)
    batches = list(fixed_batches(images.split(sizes), 4))
    assert [(len(batch), count) for batch, count in batches] == [(4, 4), (4, 4), (4, 1)]
    assert torch.equal(torch.cat([batch[:count] for batch, count in batches]), images)
    assert torch.equal(batches[-1][0][1:], images[8:].expand(3, -1, -1, -1))


def test_no_images_no_batches() -> None:
    assert list(fixed_batches([])) == []


def test_a_tail_of_samples_does_not_change_the_others(tiny: Extractor, make_images: Callable[..., ImageSet]) -> None:
    images = torch.from_numpy(make_images(FORWARD_IMAGES + 5).images)

    def features(n: int) -> Tensor:
        return torch.cat([part.features for part in extract(tiny, [images[:n]], "cpu")])

    assert torch.equal(features(FORWARD_IMAGES + 5)[:3], features(3))
    assert torch.equal(features(FORWARD_IMAGES + 5)[FORWARD_IMAGES:], features(FORWARD_IMAGES + 5)[-5:])
    assert {shape[0] for shape in tiny.seen} == {FORWARD_IMAGES}  # type: ignore[union-attr]


def test_memory_does_not_grow_with_the_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 batches at most the one at hand and the one before it live; kept features do not pin their batches."""
    monkeypatch.setattr(statistics, "KEPT_IMAGES", 70)
    made: list[weakref.ref[Tensor]] = []
    alive = []

    def stream() -> Iterator[Extracted]:
        for batch in range(200):
            features = _features(32, seed=batch).float()
            made.append(weakref.ref(features))
            alive.append(sum(ref() is not None for ref in made))
            yield Extracted(features, None)

    collected = collect(stream(), 5)
    assert max(alive) <= 2
    assert collected.kept.untyped_storage().nbytes() == 70 * 5 * 4
    assert collected.count == 6400


# --- the reference ---


def test_the_reference_order_is_a_fixed_permutation_and_capped() -> None:
    assert sorted(reference_order(100)) == list(range(100))
    assert np.array_equal(reference_order(100), reference_order(100))
    assert len(set(reference_order(60_001).tolist())) == 50_000


def test_floor_parts_are_disjoint_and_as_large_as_the_samples_where_the_set_allows() -> None:
    assert num_floor_images(50_000, 5_000) == 5_000
    assert num_floor_images(50_000, 50_000) == 25_000
    assert num_floor_images(1_797, 5_000) == 898


def test_the_reference_is_all_images_whatever_the_floor(tiny: Extractor, make_images: Callable[..., ImageSet]) -> None:
    images = make_images(70)
    whole = torch.cat([p.features for p in extract(tiny, [torch.from_numpy(images.images)], "cpu")]).double()
    for num_floor in (0, 20):
        reference = reference_statistics(images, tiny, num_floor=num_floor)
        torch.testing.assert_close(reference.everything.moments.mean, whole.mean(0))
        torch.testing.assert_close(reference.everything.moments.covariance, whole.T.cov())
        assert (reference.floor_fake is None) == (num_floor == 0)
    assert reference.floor_fake is not None
    assert reference.floor_real is not None
    assert (reference.floor_fake.count, reference.floor_real.count) == (20, 50)
    # Close, not equal: last bits may depend on an image's place in its batch.
    torch.testing.assert_close(reference.floor_fake.kept, whole.float()[reference_order(70)[:20]])


# --- the cache ---


def _collected(n: int = 9) -> Collected:
    return collect(iter([Extracted(_features(n).float(), None)]), 5)


def test_cached_statistics_come_back_bit_by_bit(tmp_path: Path) -> None:
    path, parts = tmp_path / "new" / "a.safetensors", {"first": _collected(), "rest": _collected(4)}
    save_cached(path, parts)
    back = load_cached(path)
    assert back is not None
    for name, part in parts.items():
        assert back[name].count == part.count
        for got, want in ((back[name].moments.mean, part.moments.mean), (back[name].kept, part.kept)):
            assert torch.equal(got, want)
        assert torch.equal(back[name].moments.scatter, part.moments.scatter)
    assert os.listdir(path.parent) == ["a.safetensors"]


def test_an_empty_part_survives_the_cache(tmp_path: Path) -> None:
    save_cached(tmp_path / "a", {"first": Collected(Moments(5), torch.empty(0, 5)), "rest": _collected()})
    back = load_cached(tmp_path / "a")
    assert back is not None
    assert merged(back["first"], back["rest"]).count == 9


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_cache_is_made_anew(
    tmp_path: Path, damage: bytes | None, tiny: Extractor, make_images: Callable[..., ImageSet]
) -> None:
    images = make_images(50)
    first = reference_statistics(images, tiny, num_floor=10, cache=tmp_path)
    (path,) = (tmp_path / "statistics").iterdir()
    path.write_bytes(path.read_bytes()[:-7] if damage is None else damage)
    again = reference_statistics(images, tiny, num_floor=10, cache=tmp_path)
    assert torch.equal(first.everything.moments.scatter, again.everything.moments.scatter)
    assert load_cached(path) is not None


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(statistics.os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        save_cached(tmp_path / "a.safetensors", {"rest": _collected()})
    assert os.listdir(tmp_path) == []


def test_a_disk_that_cannot_be_written_costs_the_cache_only(
    tmp_path: Path, tiny: Extractor, make_images: Callable[..., ImageSet]
) -> None:
    (tmp_path / "statistics").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="not cached"):
        reference = reference_statistics(make_images(50), tiny, num_floor=10, cache=tmp_path)
    assert reference.everything.count == 50


def test_the_key_knows_data_extractor_and_split(
    tiny: Extractor, make_images: Callable[..., ImageSet], tmp_path: Path
) -> None:
    for images in (make_images(50), make_images(50, seed=1)):
        for num_floor in (0, 10):
            reference_statistics(images, tiny, num_floor=num_floor, cache=tmp_path)
    assert len(list((tmp_path / "statistics").iterdir())) == 4
    assert cache_key(a=1) != cache_key(a=2)


def test_help_and_docs_name_the_number_of_images_of_a_forward_pass() -> None:
    assert f"always has {FORWARD_IMAGES}" in (EvaluateSettings.model_fields["batch_images"].description or "")
    page = Path(__file__).parents[3] / "docs" / "evaluation.md"
    assert f"pass the network {FORWARD_IMAGES} at a time" in page.read_text(encoding="utf-8")
