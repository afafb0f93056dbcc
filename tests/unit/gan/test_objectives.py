"""Objectives: their losses are the sums they say, with nothing reaching the generator from a critic step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from toy_gan import toy_settings

from degas.gan import losses
from degas.gan.objectives import OBJECTIVES, Objective
from degas.gan.objectives.base import CriticBatch, GeneratorBatch, with_labels
from degas.gan.objectives.wasserstein import draw_shares
from degas.nets.critic import Critic, CriticOutput


class LinearCritic(nn.Module):
    """D(x) = w·x, with two features and two class logits, linear as well."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.w = nn.Parameter(0.1 * torch.randn(12, generator=random, dtype=torch.float64))
        self.heads = nn.Parameter(torch.randn(12, 4, generator=random, dtype=torch.float64))

    def forward(self, images: Tensor) -> CriticOutput:
        flat = images.flatten(1)
        return CriticOutput(flat @ self.w, flat @ self.heads[:, :2], flat @ self.heads[:, 2:])


def images(seed: int, n: int = 5) -> Tensor:
    return torch.randn(n, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def objective(name: str, **changes: object) -> Objective:
    return toy_settings(objective=name, **changes).own


def test_linear_critic_gives_the_penalty_of_its_weights() -> None:
    critic = LinearCritic()
    loss, terms = objective("wgan-gp", penalty_weight=7.0).critic_loss(CriticBatch(critic, images(0), images(1)))
    expected = (critic.w.norm() - 1) ** 2
    assert torch.allclose(terms["penalty"], expected, atol=1e-9)
    distance = (images(1).flatten(1) @ critic.w).mean() - (images(0).flatten(1) @ critic.w).mean()
    assert torch.allclose(loss, distance + 7 * expected)


def test_without_dropout_the_consistency_term_is_zero() -> None:
    critic = Critic(width=4, channels=3, image_size=8).double()
    x, y = (torch.randn(3, 3, 8, 8, dtype=torch.float64) for _ in range(2))
    torch.manual_seed(0)
    loss, terms = objective("ct-gan").critic_loss(CriticBatch(critic, x, y))
    torch.manual_seed(0)
    plain, _ = objective("wgan-gp").critic_loss(CriticBatch(critic, x, y))
    assert float(terms["consistency"]) < 1e-25
    assert torch.allclose(loss, plain)


def test_with_dropout_the_consistency_term_is_not() -> None:
    critic = Critic(width=4, channels=3, image_size=8, dropout=(0.2, 0.5, 0.5))
    x, y = torch.randn(3, 3, 8, 8), torch.randn(3, 3, 8, 8)
    _, terms = objective("ct-gan").critic_loss(CriticBatch(critic, x, y))
    assert float(terms["consistency"]) > 1e-6


def test_cagan_agrees_on_reals_and_disputes_fakes_by_the_sum_of_slow_passes() -> None:
    """A critic with other weights at each row, as dropout has: distances by loops over images."""
    torch.manual_seed(0)
    critic = LinearCritic()
    noise = 1 + 0.5 * torch.randn(20, 12, dtype=torch.float64)

    def dropping(x: Tensor) -> CriticOutput:
        """The first call of `critic_loss` and of `generator_loss` has several groups, the penalty's only five rows."""
        return critic(x if len(x) == 5 else (x.flatten(1) * noise[: len(x)]).reshape(x.shape))

    cagan = objective("cagan", consistency_weight=3.0, consistency_feature_weight=0.7, inconsistency_bound=0.2)
    loss, terms = cagan.critic_loss(CriticBatch(dropping, images(0), images(1)))
    flats = [images(k).flatten(1) for k in (0, 0, 1, 1)]
    rows = [flat * noise[5 * k : 5 * k + 5] for k, flat in enumerate(flats)]

    def distance(a: Tensor, b: Tensor) -> float:
        score = float((a - b) @ critic.w) ** 2
        features = float(((a - b) @ critic.heads[:, :2]).square().sum()) / 2
        return 3.0 * score + 0.7 * features

    agreed = sum(distance(a, b) for a, b in zip(rows[0], rows[1], strict=True)) / 5
    disputed = sum(min(distance(a, b), 0.2) for a, b in zip(rows[2], rows[3], strict=True)) / 5
    wasserstein = float((rows[2] @ critic.w).mean() - (rows[0] @ critic.w).mean())
    penalty = float((critic.w.norm() - 1) ** 2)
    assert float(loss) == pytest.approx(wasserstein + 10 * penalty + agreed - disputed)
    assert float(terms["inconsistency"]) == pytest.approx(disputed)
    generator, _ = cagan.generator_loss(GeneratorBatch(dropping, images(1)))
    passes = [images(1).flatten(1) * noise[5 * k : 5 * k + 5] for k in (0, 1)]
    agreed = sum(distance(a, b) for a, b in zip(*passes, strict=True)) / 5
    assert float(generator) == pytest.approx(agreed - float((passes[0] @ critic.w).mean()))


def test_r3gan_penalties_of_a_linear_critic() -> None:
    critic = LinearCritic()
    loss, terms = objective("r3gan", gradient_weight=0.3).critic_loss(CriticBatch(critic, images(0), images(1)))
    half = 0.5 * critic.w.square().sum()
    assert torch.allclose(terms["real_penalty"], half)
    assert torch.allclose(terms["fake_penalty"], half)
    assert torch.allclose(loss, terms["relativistic"] + 0.3 * 2 * half)


def test_r3gan_penalises_at_the_images_before_augmentation() -> None:
    """An augmentation that halves images halves the gradient of a linear critic there, and not at its result."""
    critic = LinearCritic()
    batch = CriticBatch(critic, images(0), images(1), augment=lambda x: 0.5 * x)
    half = 0.5 * critic.w.square().sum()
    _, before = objective("r3gan").critic_loss(batch)
    _, after = objective("r3gan", penalty_at="augmented").critic_loss(batch)
    assert torch.allclose(before["real_penalty"], 0.25 * half)
    assert torch.allclose(after["fake_penalty"], half)
    assert torch.allclose(before["relativistic"], after["relativistic"])


def test_r3gan_weight_falls_by_a_cosine() -> None:
    critic = LinearCritic()
    r3gan = objective("r3gan", gradient_weight=0.3, gradient_end_share=0.1)
    half = 0.5 * critic.w.square().sum()
    for progress, weight in ((0.0, 0.3), (0.5, 0.165), (1.0, 0.03)):
        loss, terms = r3gan.critic_loss(CriticBatch(critic, images(0), images(1), progress=progress))
        assert torch.allclose(loss, terms["relativistic"] + weight * 2 * half)


def test_r3gan_generator_mirrors_the_critic() -> None:
    critic = LinearCritic()
    loss, _ = objective("r3gan").generator_loss(GeneratorBatch(critic, images(1), None, images(0)))
    scores = [images(k).flatten(1) @ critic.w for k in (0, 1)]
    assert torch.allclose(loss, nn.functional.softplus(-(scores[1] - scores[0])).mean())


def test_hinge_and_its_generator() -> None:
    critic = LinearCritic()
    loss, _ = objective("sn-gan").critic_loss(CriticBatch(critic, images(0), images(1)))
    scores = [images(k).flatten(1) @ critic.w for k in (0, 1)]
    assert torch.allclose(loss, (1 - scores[0]).clamp(min=0).mean() + (1 + scores[1]).clamp(min=0).mean())
    generator, _ = objective("sn-gan").generator_loss(GeneratorBatch(critic, images(1)))
    assert torch.allclose(generator, -scores[1].mean())


class VectorCritic(LinearCritic):
    """Two numbers a score, as `mmd` wants them."""

    def forward(self, images: Tensor) -> CriticOutput:
        output = super().forward(images)
        return CriticOutput(output.features, output.features, output.class_logits)


def test_mmd_of_critic_and_generator() -> None:
    critic = VectorCritic()
    real, fake = (0.1 * images(k).flatten(1) @ critic.heads[:, :2] for k in (0, 1))
    mmd = objective("mmd", repulsive_bounds=(3.0, 0.5))
    loss, _ = mmd.critic_loss(CriticBatch(critic, 0.1 * images(0), 0.1 * images(1)))
    assert torch.allclose(loss, losses.repulsive_critic(real, fake, 3.0, 0.5))
    growing = objective("mmd", repulsive_bounds=(0.1, 0.05), repulsive_patience=6, evaluate_steps=1)
    for doublings, upper in ((0, 0.1), (1, 0.2), (3, 0.8), (30, 32.0)):
        batch = CriticBatch(critic, 0.1 * images(0), 0.1 * images(1), num_doublings=float(doublings))
        grown, _ = growing.critic_loss(batch)
        assert torch.allclose(grown, losses.repulsive_critic(real, fake, upper, 0.05))
    generator, _ = mmd.generator_loss(GeneratorBatch(critic, 0.1 * images(1), None, 0.1 * images(0)))
    assert torch.allclose(generator, losses.squared_mmd(real, fake))


def test_class_loss_is_weighted_and_of_reals_in_the_critics_step() -> None:
    critic, labels = LinearCritic(), torch.tensor([0, 1, 1, 0, 1])
    for name in OBJECTIVES:
        if name == "mmd":  # a linear critic has no vectors for scores
            continue
        torch.manual_seed(0)
        with_classes, terms = objective(name, supervised=True, class_weight_critic=3.0).critic_loss(
            CriticBatch(critic, images(0), images(1), labels)
        )
        torch.manual_seed(0)
        without, _ = objective(name).critic_loss(CriticBatch(critic, images(0), images(1), labels))
        expected = losses.class_loss(critic(images(0)).class_logits, labels)
        assert torch.allclose(terms["class"], expected), name
        assert torch.allclose(with_classes, without + 3 * expected), name


class LabelledCritic(nn.Module):
    """D(x, y) = w_y·x: every image is scored under its own label, or the test fails."""

    def __init__(self, output_size: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.w = nn.Parameter(0.1 * torch.randn(3, 12, output_size, generator=random, dtype=torch.float64))

    def forward(self, images: Tensor, labels: Tensor) -> CriticOutput:
        scores = torch.stack([x.flatten() @ self.w[y] for x, y in zip(images, labels, strict=True)])
        return CriticOutput(scores.squeeze(1), images.flatten(1))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_projection_scores_every_image_under_its_label(name: str) -> None:
    """In every call, however many groups of images it has: the penalty's interpolates too."""
    labels, chosen = torch.tensor([2, 0, 1, 0, 2]), objective(name)
    critic = LabelledCritic(16 if name == "mmd" else 1)

    def one_by_one(images: Tensor) -> CriticOutput:
        """What `with_labels` gives, by the place of an image in its group."""
        return critic(images, torch.tensor([int(labels[k % 5]) for k in range(len(images))]))

    batch, generator_batch = (images(0), images(1), labels), (images(1), labels, images(0))
    found, expected = [], []
    for scores, into in ((with_labels(critic, labels), found), (one_by_one, expected)):
        torch.manual_seed(0)
        into.append(chosen.critic_loss(CriticBatch(scores, *batch))[0])
        into.append(chosen.generator_loss(GeneratorBatch(scores, *generator_batch))[0])
    torch.testing.assert_close(found, expected)
    torch.manual_seed(0)
    swapped = chosen.critic_loss(CriticBatch(with_labels(critic, labels.flip(0) * 0), *batch))[0]
    assert not torch.allclose(swapped, found[0])


def test_class_loss_of_fakes_in_the_generators_step() -> None:
    critic, labels = LinearCritic(), torch.tensor([0, 1, 1, 0, 1])
    with_classes, _ = objective("sn-gan", supervised=True, class_weight_generator=0.5).generator_loss(
        GeneratorBatch(critic, images(1), labels)
    )
    without, _ = objective("sn-gan").generator_loss(GeneratorBatch(critic, images(1)))
    expected = losses.class_loss(critic(images(1)).class_logits, labels)
    assert torch.allclose(with_classes, without + 0.5 * expected)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_gradient_to_the_generator_in_a_critic_step(name: str) -> None:
    """Detached or not, the critic's loss only ever needs the fakes' values; terms carry no graph."""
    critic = Critic(width=4, channels=3, image_size=8, output_size=16 if name == "mmd" else 1)
    real, fake = torch.randn(3, 3, 8, 8), torch.randn(3, 3, 8, 8)
    loss, terms = objective(name).critic_loss(CriticBatch(critic, real, fake))
    assert loss.requires_grad
    assert not any(term.requires_grad for term in terms.values())
    assert real.grad is None
    assert fake.grad is None


@pytest.mark.parametrize("name", ["mmd", "r3gan"])
def test_reals_of_a_generator_step_are_needed_and_constant(name: str) -> None:
    critic = Critic(width=4, channels=3, image_size=8, output_size=16 if name == "mmd" else 1)
    fake, real = (torch.randn(3, 3, 8, 8, requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="real images"):
        objective(name).generator_loss(GeneratorBatch(critic, fake))
    loss, _ = objective(name).generator_loss(GeneratorBatch(critic, fake, None, real))
    loss.backward()
    assert fake.grad.abs().sum() > 0
    assert real.grad is None


def test_half_precision_scores_give_float32_losses() -> None:
    critic = Critic(width=4, channels=3, image_size=8)
    for name in ("ct-gan", "r3gan"):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, terms = objective(name).critic_loss(
                CriticBatch(critic, torch.randn(3, 3, 8, 8), torch.randn(3, 3, 8, 8))
            )
        assert loss.dtype == torch.float32
        assert all(term.dtype == torch.float32 for term in terms.values())


def test_shares_are_uniform() -> None:
    shares = draw_shares(torch.zeros(2000, 1, 1, 1))
    assert 0 <= float(shares.min()) < 0.01
    assert 0.99 < float(shares.max()) <= 1
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
