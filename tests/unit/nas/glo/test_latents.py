from __future__ import annotations

import numpy as np
import pytest
import torch

from degas.nas.glo.latents import LatentGaussian, LatentTable, pca_latents, project, random_latents


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uint8_images(n: int, size: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, channels, size, size), dtype=np.uint8)


def test_project_shortens_long_rows_only() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(project(rows), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))
    assert torch.equal(project(rows)[1:], rows[1:])


def test_random_latents_lie_on_the_sphere_in_all_directions() -> None:
    rows = random_latents(4000, 5, generator())
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(4000))
    torch.testing.assert_close(rows.mean(0), torch.zeros(5), rtol=0, atol=0.03)
    torch.testing.assert_close(rows.T @ rows / 4000, torch.eye(5) / 5, rtol=0, atol=0.02)


def test_pca_latents_fill_the_ball_beyond_the_rank() -> None:
    """Images of rank 3: three data directions, the other 29 filled with noise of the same variance."""
    rng = np.random.default_rng(0)
    flat = 128 + 30 * rng.standard_normal((600, 3)) @ np.linalg.qr(rng.standard_normal((48, 3)))[0].T
    images = np.clip(np.rint(flat), 0, 255).astype(np.uint8).reshape(600, 3, 4, 4)
    rows = pca_latents(images, 64, generator())
    assert rows.shape == (600, 64)
    assert rows.norm(dim=1).max() <= 1 + 1e-6
    assert 0.9 < rows.norm(dim=1).median() <= 1
    torch.testing.assert_close(rows.std(0) * 8, torch.ones(64), rtol=0, atol=0.25)


def test_pca_latents_do_not_depend_on_an_offset() -> None:
    images = uint8_images(50, 4) // 2
    torch.testing.assert_close(pca_latents(images, 8, generator()), pca_latents(images + 100, 8, generator()))


@pytest.mark.parametrize("n", [1, 2])
def test_pca_latents_of_hardly_any_images(n: int) -> None:
    rows = pca_latents(uint8_images(n, 4), 8, generator())
    assert rows.shape == (n, 8)
    assert torch.isfinite(rows).all()


def make_table(n: int = 20, size: int = 6, optimizer: str = "adam") -> LatentTable:
    return LatentTable(random_latents(n, size, generator()) * 0.5, optimizer)


def test_rows_outside_the_batch_are_bit_identical() -> None:
    table = make_table()
    index, others = torch.tensor([3, 7, 11]), torch.tensor([i for i in range(20) if i not in (3, 7, 11)])
    for step in range(3):  # the moments are warm before the check
        table.step(torch.arange(20), torch.randn(20, 6, generator=generator(step)), 0.01)
    before = {name: value.clone() for name, value in table.state_dict().items()}
    table.step(index, torch.randn(3, 6, generator=generator(9)), 0.01)
    for name, value in table.state_dict().items():
        assert torch.equal(value[others], before[name][others]), name
        assert all(not torch.equal(value[i], before[name][i]) for i in index), name


def test_row_wise_adam_equals_one_torch_adam_a_row() -> None:
    """Every row under its own torch optimiser, stepped only when visited, is what the table must equal."""
    table = LatentTable(0.1 * torch.randn(5, 4, generator=generator(), dtype=torch.float64))
    rows = [torch.nn.Parameter(row.clone()) for row in table.rows]
    optimizers = [torch.optim.Adam([row], lr=0.05) for row in rows]
    for step in range(30):
        index = torch.randperm(5, generator=generator(step))[: 1 + step % 3]
        gradient = torch.randn(len(index), 4, generator=generator(100 + step), dtype=torch.float64)
        table.step(index, gradient, 0.05)
        for i, its_gradient in zip(index.tolist(), gradient, strict=True):
            rows[i].grad = its_gradient.clone()
            optimizers[i].step()
            with torch.no_grad():
                rows[i].copy_(project(rows[i][None])[0])
    torch.testing.assert_close(table.rows, torch.stack(list(rows)).detach(), rtol=0, atol=1e-14)
    assert table.num_steps is not None
    assert len(table.num_steps.unique()) > 1


def test_sgd_is_plain_and_projected() -> None:
    table = make_table(optimizer="sgd")
    before, gradient = table.rows.clone(), torch.randn(2, 6, generator=generator(1))
    table.step(torch.tensor([4, 2]), gradient, 0.5)
    torch.testing.assert_close(table.rows[[4, 2]], project(before[[4, 2]] - 0.5 * gradient))
    assert set(table.state_dict()) == {"rows", "distances"}


def test_sgd_knows_how_far_each_row_has_moved_in_all() -> None:
    """There and back is far, and comes from a checkpoint too."""
    table = make_table(optimizer="sgd")
    before, away = table.rows.clone(), torch.full((2, 6), 0.01)
    table.rows[:] *= 0.5
    for gradient in (away, -away):
        table.step(torch.tensor([4, 2]), gradient, 1.0)
    torch.testing.assert_close(table.rows, 0.5 * before)
    wanted = torch.zeros(len(before))
    wanted[[4, 2]] = 2 * 0.01 * 6**0.5
    other = make_table(optimizer="sgd")
    other.load_state_dict(table.state_dict())
    for distances in (table.distances, other.distances):
        torch.testing.assert_close(distances, wanted)


def test_rows_stay_in_the_ball() -> None:
    for optimizer in ("adam", "sgd"):
        table = make_table(optimizer=optimizer)
        for step in range(20):
            table.step(torch.arange(20), torch.randn(20, 6, generator=generator(step)), 0.3)
        assert table.rows.norm(dim=1).max() <= 1 + 1e-6


def test_a_batch_is_a_leaf_apart_from_the_table() -> None:
    table = make_table()
    before = table.rows.clone()
    batch = table.batch(torch.tensor([2, 1]))
    assert torch.equal(batch, before[[2, 1]])
    batch.square().sum().backward()
    assert batch.grad is not None
    assert not table.rows.requires_grad
    assert torch.equal(table.rows, before)


def test_state_goes_round() -> None:
    table, other = make_table(), make_table()
    table.step(torch.arange(10), torch.ones(10, 6), 0.01)
    other.load_state_dict(table.state_dict())
    for name, value in table.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    other.step(torch.arange(10), torch.ones(10, 6), 0.01)
    assert not torch.equal(table.rows, other.rows)


def test_gaussian_has_the_moments_of_the_latents() -> None:
    mixing = torch.randn(4, 3, generator=generator(1)) * 0.1
    rows = torch.tensor([0.1, -0.2, 0.0, 0.1]) + torch.randn(3000, 3, generator=generator(2)) @ mixing.T
    gaussian = LatentGaussian.fit(rows)
    torch.testing.assert_close(gaussian.factor @ gaussian.factor.T, torch.cov(rows.double().T), rtol=1e-9, atol=1e-12)
    samples = gaussian.sample(20_000, generator(3))
    torch.testing.assert_close(samples.mean(0), rows.mean(0), rtol=0, atol=0.01)
    torch.testing.assert_close(torch.cov(samples.T), torch.cov(rows.T), rtol=0, atol=0.004)


def test_gaussian_samples_are_projected() -> None:
    samples = LatentGaussian.fit(random_latents(100, 6, generator())).sample(500, generator(1))
    assert samples.norm(dim=1).max() <= 1 + 1e-6
    assert samples.dtype == torch.float32
