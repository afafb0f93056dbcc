"""Metrics against closed forms, loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from loop_metrics import frechet_sqrtm, inception_score_loop, mmd2_loop, precision_recall_loop
from torchmetrics.image.fid import _compute_fid

from degas.evaluation import metrics
from degas.evaluation.metrics import (
    Agreement,
    ClassScore,
    Confidence,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _rotation(size: int, seed: int = 0) -> torch.Tensor:
    return torch.linalg.qr(_normal(size, size, seed=seed)).Q


# --- FID ---


def test_fid_of_two_gaussians_in_one_dimension() -> None:
    mean, var = torch.tensor([1.0]), torch.tensor([[4.0]])
    other, other_var = torch.tensor([-2.0]), torch.tensor([[9.0]])
    assert frechet_distance(mean, var, other, other_var) == pytest.approx(9 + (2 - 3) ** 2, rel=1e-12)


def test_fid_of_commuting_covariances_is_the_sum_over_axes() -> None:
    q = _rotation(6)
    a, b = torch.tensor([1.0, 2, 3, 4, 5, 6]).double(), torch.tensor([6.0, 1, 4, 2, 9, 0.5]).double()
    mean_a, mean_b = _normal(6), _normal(6, seed=1)
    want = (mean_a - mean_b).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    got = frechet_distance(mean_a, q @ a.diag() @ q.T, mean_b, q @ b.diag() @ q.T)
    assert got == pytest.approx(float(want), rel=1e-12)


@pytest.mark.parametrize("size", [3, 40, 150])
def test_fid_equals_scipy_and_torchmetrics_at_full_rank(size: int) -> None:
    x, y = _normal(3 * size, size), _normal(3 * size, size, seed=1) @ _normal(size, size, seed=2) * 0.3 + 0.1
    parts = x.mean(0), x.T.cov(), y.mean(0), y.T.cov()
    got = frechet_distance(*parts)
    assert got == pytest.approx(frechet_sqrtm(*(p.numpy() for p in parts)), rel=1e-6)
    assert got == pytest.approx(float(_compute_fid(*parts)), rel=1e-6)


@pytest.mark.parametrize(("rank_a", "rank_b"), [(3, 3), (3, 20), (20, 3), (1, 1)])
def test_fid_closed_form_of_singular_covariances(rank_a: int, rank_b: int) -> None:
    """Diagonal in one rotated basis, with null spaces: where square roots of rounding noise would show."""
    size = 20
    q, a, b = _rotation(size), torch.zeros(size).double(), torch.zeros(size).double()
    a[:rank_a], b[:rank_b] = torch.linspace(1, 100, rank_a).double(), torch.linspace(50, 2, rank_b).double()
    zero = torch.zeros(size)
    want = (a.sqrt() - b.sqrt()).square().sum()
    got = frechet_distance(zero, q @ a.diag() @ q.T, zero, q @ b.diag() @ q.T)
    assert got == pytest.approx(float(want), rel=1e-12, abs=1e-12)


def test_fid_of_disjoint_supports_is_the_sum_of_traces() -> None:
    a, b = torch.zeros(8).double(), torch.zeros(8).double()
    a[:4], b[4:] = 3.0, 5.0
    q = _rotation(8)
    assert frechet_distance(torch.zeros(8), q @ a.diag() @ q.T, torch.zeros(8), q @ b.diag() @ q.T) == pytest.approx(32)


def test_fid_of_fewer_samples_than_features_with_itself_is_zero() -> None:
    """The past trap: N ≤ D, where a root of a·b through general eigenvalues drifts."""
    x = _normal(20, 64)
    assert abs(frechet_distance(x.mean(0), x.T.cov(), x.mean(0), x.T.cov())) < 1e-10 * float(x.T.cov().trace())


def test_fid_that_rounding_would_put_below_zero_is_zero() -> None:
    sets = [_normal(20, 64, seed=seed) for seed in range(8)]
    found = [frechet_distance(x.mean(0), x.T.cov(), x.mean(0), x.T.cov()) for x in sets]
    assert min(found) == 0.0  # without the care some of them are some 1e-14


def test_fid_of_zero_covariances_is_the_distance_of_means() -> None:
    """A generator collapsed to one image, against a constant data set."""
    zero = torch.zeros(3, 3)
    assert frechet_distance(torch.ones(3), zero, -torch.ones(3), zero) == pytest.approx(12)


def test_fid_sees_what_it_must_and_is_symmetric() -> None:
    x, y = _normal(300, 8), _normal(300, 8, seed=1)
    parts_x, parts_y = (x.mean(0), x.T.cov()), (y.mean(0), y.T.cov())
    near, far = frechet_distance(*parts_x, *parts_y), frechet_distance(*parts_x, (3 * y).mean(0), (3 * y).T.cov())
    assert 0 < near < 0.5 < far
    assert near == pytest.approx(frechet_distance(*parts_y, *parts_x), rel=1e-9)


def test_fid_refuses_values_that_are_not_finite() -> None:
    broken = torch.tensor([[float("nan")]])
    with pytest.raises(ValueError, match="covariance"):
        frechet_distance(torch.zeros(1), broken, torch.zeros(1), torch.eye(1))


# --- KID ---


def test_kid_whole_set_equals_the_loop() -> None:
    x, y = _normal(9, 4), _normal(13, 4, seed=1) + 0.5
    assert kernel_distance(x, y).whole == pytest.approx(mmd2_loop(x.numpy(), y.numpy()), rel=1e-12)


def test_kid_subsets_equal_the_loop_over_the_same_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over several row blocks."""
    monkeypatch.setattr(metrics, "BLOCK_ROWS", 7)
    x, y = _normal(20, 4), _normal(24, 4, seed=1) + 0.5
    rng = np.random.default_rng(5)
    rows_x = [rng.choice(20, 6, replace=False) for _ in range(3)]
    rows_y = [rng.choice(24, 6, replace=False) for _ in range(3)]
    want = [mmd2_loop(x.numpy()[a], y.numpy()[b]) for a, b in zip(rows_x, rows_y, strict=True)]
    got = kernel_distance(x, y, num_subsets=3, subset_images=6, seed=5)
    assert (got.mean, got.std) == pytest.approx((np.mean(want), np.std(want)), rel=1e-10)
    assert got.whole == pytest.approx(mmd2_loop(x.numpy(), y.numpy()), rel=1e-12)


def test_kid_is_unbiased() -> None:
    """The mean over many draws from one distribution is zero; the biased estimate would be about 2·E k(x,x)/n."""
    values = [kernel_distance(_normal(10, 5, seed=2 * i), _normal(10, 5, seed=2 * i + 1)).whole for i in range(400)]
    error = np.std(values) / 20
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0  # and so single values fall below zero, which is not clipped
    assert error < 0.1 * 2 * 8 / 10


def test_kid_is_deterministic_and_shrinks_subsets_to_half_the_smaller_set() -> None:
    x, y = _normal(11, 3), _normal(40, 3, seed=1)
    assert kernel_distance(x, y, seed=1) == kernel_distance(x, y, seed=1)
    assert kernel_distance(x, y, seed=1).std > 0
    assert kernel_distance(x, y, seed=1) == kernel_distance(x, y, subset_images=5, seed=1)


def test_kid_takes_any_seed() -> None:
    """numpy's generators refuse a negative one, which a run only learned at its very end."""
    x, y = _normal(11, 3), _normal(40, 3, seed=1)
    assert kernel_distance(x, y, seed=-1) == kernel_distance(x, y, seed=-1)
    assert kernel_distance(x, y, seed=-1) != kernel_distance(x, y, seed=1)


# --- Inception Score ---


def test_is_of_uniform_predictions_is_one() -> None:
    assert inception_score(torch.zeros(100, 7)) == pytest.approx((1, 0), abs=1e-12)


def test_is_of_balanced_one_hot_predictions_is_the_number_of_classes() -> None:
    logits = torch.eye(10).repeat(20, 1) * 1e4
    assert inception_score(logits) == pytest.approx((10, 0), abs=1e-9)


def test_is_of_one_class_alone_is_one() -> None:
    """Sharp, but without variety: what mode collapse gets."""
    assert inception_score(torch.eye(10)[:1].repeat(50, 1) * 1e4).mean == pytest.approx(1)


def test_is_equals_the_loop_with_splits_in_order_and_ddof_0() -> None:
    logits = _normal(53, 6) * 3  # 53 is no multiple of 4: the splits differ in size
    assert inception_score(logits, 4) == pytest.approx(inception_score_loop(logits.numpy(), 4), rel=1e-12)
    shuffled = logits[torch.randperm(53, generator=torch.Generator().manual_seed(0))]
    assert inception_score(shuffled, 4).mean != pytest.approx(inception_score(logits, 4).mean, rel=1e-6)


def test_is_streamed_equals_is_at_once() -> None:
    logits = _normal(50, 6)
    score = ClassScore(50, 6, 10)
    for part in logits.split(7):
        score.update(part)
    assert score.compute() == pytest.approx(inception_score(logits), rel=1e-12)


def test_class_score_refuses_a_short_stream_and_broken_logits() -> None:
    score = ClassScore(10, 3)
    score.update(torch.zeros(9, 3))
    with pytest.raises(ValueError, match="9 samples"):
        score.compute()
    with pytest.raises(ValueError, match="finite"):
        score.update(torch.full((1, 3), float("nan")))


def test_agreement_counts_equal_classes_over_a_stream() -> None:
    agreement = Agreement(torch.tensor([0, 1, 2, 0]))
    agreement.update(torch.eye(3)[[0, 1]])
    agreement.update(torch.eye(3)[[1, 0]])
    assert agreement.compute() == 0.75


def test_confidence_counts_sure_samples_over_a_stream() -> None:
    """Probabilities 0.91 (sure), 0.8, 1/3 and 1.0."""
    confidence = Confidence()
    confidence.update(torch.tensor([[0.91, 0.09, 0.0], [0.8, 0.2, 0.0]]).double().add(1e-12).log())
    confidence.update(torch.tensor([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]]))
    assert confidence.compute() == 0.5


def test_confidence_undoes_label_smoothing() -> None:
    """With ε = 0.1 and two classes a belief of 0.9 is given as 0.86."""
    confidence = Confidence(label_smoothing=0.1)
    confidence.update(torch.tensor([[0.87, 0.13], [0.85, 0.15]], dtype=torch.float64).log())
    assert confidence.compute() == 0.5


# --- precision and recall ---


def test_precision_recall_equal_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK_ROWS", 11)
    fake, real = _normal(30, 3) * 0.7 + 1.5, _normal(25, 3, seed=1)
    got = precision_recall(fake, real)
    want = precision_recall_loop(fake.numpy(), real.numpy(), 3)
    assert (got.precision, got.recall) == want
    assert 0 < want[0] < 1
    assert 0 < want[1] < 1


def test_precision_is_of_the_fakes_and_recall_of_the_reals() -> None:
    """Fakes: one of two modes. All are good (precision 1), half of the reals are missed (recall about ½)."""
    real = torch.cat([_normal(40, 2), _normal(40, 2, seed=1) + 100])
    fake = real[:40] + 1e-3
    got = precision_recall(fake, real)
    assert got.precision == 1
    assert got.recall == pytest.approx(0.5, abs=0.05)


def test_duplicates_are_at_distance_exactly_zero() -> None:
    """Four copies of each real image leave balls of radius 0, in which another copy still lies, rounding or not."""
    points = _normal(50, 200) + 3
    assert precision_recall(points[:40], points.repeat(4, 1)).precision == 1
    assert precision_recall(points[:40] + 1e-3, points.repeat(4, 1)).precision == 0
