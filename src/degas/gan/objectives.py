"""One small object per adversarial objective: what the critic minimises and what the generator minimises.

Each returns (loss, terms): the loss to go backward from, and its named parts without their weights, detached, for the
logs. The critic sees a step's images in as few calls as can be: it has no batch norm, so rows do not affect each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from degas.config import GanSettings
from degas.gan import losses
from degas.nets.critic import CriticOutput

CriticCall = Callable[[Tensor], CriticOutput]
Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Objective(ABC):
    """What the trainer needs to know of an objective.

    Images are (N, C, H, W), labels (N,) or None. `class_weight_critic` and `class_weight_generator` weigh the
    auxiliary classifier's loss, on reals in the critic's step and on fakes in the generator's (AC-GAN).
    """

    class_weight_critic: float
    class_weight_generator: float

    compares_with_reals: ClassVar[bool] = False  # whether the generator's loss needs real images, as many as fakes
    fewest_images: ClassVar[int] = 1  # in a batch
    critic_options: ClassVar[dict[str, Any]] = {}

    @abstractmethod
    def critic_loss(
        self, critic: CriticCall, real_images: Tensor, fake_images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        """The critic's loss on one batch; `labels` are those of the reals. No gradient reaches the generator."""

    @abstractmethod
    def generator_loss(
        self,
        critic: CriticCall,
        fake_images: Tensor,
        labels: Tensor | None = None,
        real_images: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        """The generator's loss on one batch; `labels` are those of the fakes."""

    def _critic_total(
        self, loss: Tensor, terms: Terms, real: CriticOutput, labels: Tensor | None
    ) -> tuple[Tensor, Terms]:
        return _with_class_loss(loss, terms, real, labels, self.class_weight_critic)

    def _generator_total(
        self, loss: Tensor, terms: Terms, fake: CriticOutput, labels: Tensor | None
    ) -> tuple[Tensor, Terms]:
        return _with_class_loss(loss, terms, fake, labels, self.class_weight_generator)


@dataclass(frozen=True)
class Wasserstein(Objective):
    """`wgan-gp`: Wasserstein distance and gradient penalty."""

    penalty_weight: float

    def critic_loss(
        self, critic: CriticCall, real_images: Tensor, fake_images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        real, fake = _scored(critic, real_images, fake_images)
        penalty = self._penalty(critic, real_images, fake_images)
        distance = losses.wasserstein_critic(real.scores, fake.scores)
        loss = distance + self.penalty_weight * penalty
        return self._critic_total(loss, {"wasserstein": distance, "penalty": penalty}, real, labels)

    def generator_loss(
        self,
        critic: CriticCall,
        fake_images: Tensor,
        labels: Tensor | None = None,
        real_images: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        fake = _upcast(critic(fake_images))
        return self._generator_total(losses.wasserstein_generator(fake.scores), {}, fake, labels)

    def _penalty(self, critic: CriticCall, real_images: Tensor, fake_images: Tensor) -> Tensor:
        """The penalty on one interpolate a pair; dropout is on in it, as everywhere."""
        shares = draw_shares(real_images)
        points = losses.interpolate(real_images, fake_images, shares).detach().requires_grad_(True)
        return losses.gradient_penalty(losses.squared_gradient_norms(_upcast(critic(points)).scores, points))


@dataclass(frozen=True)
class CtGan(Wasserstein):
    """`ct-gan`: `wgan-gp` with dropout in the critic and the consistency term (Wei et al. 2018), the paper's choice."""

    consistency_weight: float
    consistency_feature_weight: float
    consistency_margin: float

    def critic_loss(
        self, critic: CriticCall, real_images: Tensor, fake_images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        # The reals twice in one call: every row draws its own dropout. Scores and classes use the first pass.
        real, again, fake = _scored(critic, real_images, real_images, fake_images)
        penalty = self._penalty(critic, real_images, fake_images)
        distance = losses.wasserstein_critic(real.scores, fake.scores)
        consistency = losses.consistency(
            real.scores,
            again.scores,
            real.features,
            again.features,
            self.consistency_weight,
            self.consistency_feature_weight,
            self.consistency_margin,
        )
        loss = distance + self.penalty_weight * penalty + consistency
        terms = {"wasserstein": distance, "penalty": penalty, "consistency": consistency}
        return self._critic_total(loss, terms, real, labels)


@dataclass(frozen=True)
class SnGan(Objective):
    """`sn-gan`: hinge loss, spectrally normalised critic (Miyato et al. 2018). First order, the cheapest step."""

    critic_options: ClassVar[dict[str, Any]] = {"spectral": True, "score_pool": "sum"}

    def critic_loss(
        self, critic: CriticCall, real_images: Tensor, fake_images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        real, fake = _scored(critic, real_images, fake_images)
        hinge = losses.hinge_critic(real.scores, fake.scores)
        terms = {"hinge": hinge, "real_score": real.scores.mean(), "fake_score": fake.scores.mean()}
        return self._critic_total(hinge, terms, real, labels)

    def generator_loss(
        self,
        critic: CriticCall,
        fake_images: Tensor,
        labels: Tensor | None = None,
        real_images: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        fake = _upcast(critic(fake_images))
        return self._generator_total(losses.wasserstein_generator(fake.scores), {}, fake, labels)


@dataclass(frozen=True)
class RepulsiveMmd(Objective):
    """`mmd`: repulsive MMD on 16-d scores of a spectrally normalised critic (Wang et al. 2019)."""

    upper: float
    lower: float

    compares_with_reals: ClassVar[bool] = True
    fewest_images: ClassVar[int] = 2  # its losses are means over pairs
    critic_options: ClassVar[dict[str, Any]] = {"spectral": True, "score_pool": "sum", "output_size": 16}

    def critic_loss(
        self, critic: CriticCall, real_images: Tensor, fake_images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        real, fake = _scored(critic, real_images, fake_images)
        repulsion = losses.repulsive_critic(real.scores, fake.scores, self.upper, self.lower)
        return self._critic_total(repulsion, {"repulsion": repulsion}, real, labels)

    def generator_loss(
        self,
        critic: CriticCall,
        fake_images: Tensor,
        labels: Tensor | None = None,
        real_images: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        fake, real = _upcast(critic(fake_images)), _scored_reals(critic, real_images)
        return self._generator_total(losses.squared_mmd(real.scores, fake.scores), {}, fake, labels)


@dataclass(frozen=True)
class R3Gan(Objective):
    """`r3gan`: relativistic pairs with zero-centred penalties on reals and fakes (Huang et al. 2024)."""

    gradient_weight: float

    compares_with_reals: ClassVar[bool] = True

    def critic_loss(
        self, critic: CriticCall, real_images: Tensor, fake_images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        points = torch.cat([real_images, fake_images]).detach().requires_grad_(True)
        n = len(real_images)
        output = _upcast(critic(points))
        squares = losses.squared_gradient_norms(output.scores, points)  # (2N,)
        pairs = losses.relativistic(output.scores[:n], output.scores[n:])
        real_penalty, fake_penalty = (losses.zero_centred_penalty(s) for s in (squares[:n], squares[n:]))
        loss = pairs + self.gradient_weight * (real_penalty + fake_penalty)
        terms = {"relativistic": pairs, "real_penalty": real_penalty, "fake_penalty": fake_penalty}
        return self._critic_total(loss, terms, output.rows(0, n), labels)

    def generator_loss(
        self,
        critic: CriticCall,
        fake_images: Tensor,
        labels: Tensor | None = None,
        real_images: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        fake, real = _upcast(critic(fake_images)), _scored_reals(critic, real_images)
        return self._generator_total(losses.relativistic(fake.scores, real.scores), {}, fake, labels)


def make_objective(settings: GanSettings) -> Objective:
    """The objective of resolved settings (`presets.resolve_gan`)."""
    given: dict[str, Any] = settings.model_dump()
    weights = ("class_weight_critic", "class_weight_generator")
    common = {name: given[name] if settings.supervised else 0.0 for name in weights}
    if settings.objective == "ct-gan":
        names = ("penalty_weight", "consistency_weight", "consistency_feature_weight", "consistency_margin")
        return CtGan(**common, **{name: given[name] for name in names})
    if settings.objective == "wgan-gp":
        return Wasserstein(**common, penalty_weight=given["penalty_weight"])
    if settings.objective == "sn-gan":
        return SnGan(**common)
    if settings.objective == "mmd":
        upper, lower = given["repulsive_bounds"]
        return RepulsiveMmd(**common, upper=upper, lower=lower)
    return R3Gan(**common, gradient_weight=given["gradient_weight"])


def draw_shares(real_images: Tensor) -> Tensor:
    """Uniform shares (N,) of the gradient penalty's interpolates, from torch's global random state."""
    return torch.rand(len(real_images), device=real_images.device, dtype=real_images.dtype)


def _scored(critic: CriticCall, *groups: Tensor) -> list[CriticOutput]:
    """One critic call for all groups of images, then the outputs of each group."""
    output = _upcast(critic(torch.cat(groups)))
    stops = torch.tensor([len(group) for group in groups]).cumsum(0).tolist()
    return [output.rows(stop - len(group), stop) for stop, group in zip(stops, groups, strict=True)]


def _scored_reals(critic: CriticCall, real_images: Tensor | None) -> CriticOutput:
    """Scores of real images in a generator step, where they are constants."""
    if real_images is None:
        raise ValueError("this objective's generator loss compares fakes with real images")
    with torch.no_grad():
        return _upcast(critic(real_images))


def _with_class_loss(
    loss: Tensor, terms: Terms, output: CriticOutput, labels: Tensor | None, weight: float
) -> tuple[Tensor, Terms]:
    if output.class_logits is not None and labels is not None:  # also of weight 0: processes share every gradient
        terms = {**terms, "class": losses.class_loss(output.class_logits, labels)}
        loss = loss + weight * terms["class"]
    return loss, {name: value.detach() for name, value in terms.items()}


def _upcast(output: CriticOutput) -> CriticOutput:
    """Outputs of a half-precision forward as float32: losses and penalties are never computed in less."""

    def raised(value: Tensor | None) -> Tensor | None:
        return value.float() if value is not None and value.dtype in (torch.bfloat16, torch.float16) else value

    return CriticOutput(*(raised(value) for value in output))  # type: ignore[arg-type]
