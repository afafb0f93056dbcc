"""The interface of an adversarial objective: the losses of critic and generator, its settings, and its critic.

A loss comes with its terms: the scalar for the backward pass, and its named, unweighted, detached parts for the logs.
The critic gets a step's images in as few calls as possible: it has no batch norm, so rows do not affect each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from degas.gan import losses
from degas.nets.critic import CriticOutput
from degas.runtime.registry import Registry
from degas.settings.base import Positive, Rate, Settings, Weight, setting
from degas.settings.training import ClassHead

CriticCall = Callable[..., CriticOutput]  # of images (N, C, H, W), and of labels (N,) with a projection
Terms = dict[str, Tensor]
Loss = tuple[Tensor, Terms]


@dataclass(frozen=True)
class CriticBatch:
    """The batch of a critic step: the critic, images (N, C, H, W), and the labels (N,) of reals and fakes, if any.

    Attributes:
        augment: what the images still have to pass before the critic, if the objective `augments_itself`.
        progress: the share of the training done, 0 to 1, for schedules.
        num_doublings: how often the objective's patience has run out; `mmd` doubles its upper bound by it.
    """

    critic: CriticCall
    real_images: Tensor
    fake_images: Tensor
    labels: Tensor | None = None
    augment: Callable[[Tensor], Tensor] = lambda images: images
    progress: Tensor | float = 0.0
    num_doublings: Tensor | float = 0.0

    def score(self) -> list[CriticOutput]:
        """The critic's outputs for the reals and for the fakes."""
        return score_groups(self.critic, self.real_images, self.fake_images)


@dataclass(frozen=True)
class GeneratorBatch:
    """The batch of a generator step: the critic, images (N, C, H, W), and the labels (N,) of the fakes, if any.

    `real_images` are given if the objective `compares_with_reals`.
    """

    critic: CriticCall
    fake_images: Tensor
    labels: Tensor | None = None
    real_images: Tensor | None = None

    def score_fakes(self) -> CriticOutput:
        return score(self.critic, self.fake_images)

    def score_reals(self) -> CriticOutput:
        """The critic's output for the reals, which are constants here."""
        if self.real_images is None:
            raise ValueError("this objective's generator loss compares fakes with real images")
        with torch.no_grad():
            return score(self.critic, self.real_images)


class Objective(Settings, ABC):
    """An objective with its own settings; each field has a default and, in `source`, the origin of that default.

    A subclass adds fields and may change the defaults below. With labels and the class head `classifier`,
    `class_weight_critic` and `class_weight_generator` weigh the auxiliary classifier's loss, on reals in the critic
    step and on fakes in the generator step (AC-GAN). With `projection` the critic scores images under their labels, and
    there is no class loss.
    """

    name: ClassVar[str] = ""  # the name given to `register_objective`
    compares_with_reals: ClassVar[bool] = False  # whether the generator's loss needs real images, as many as fakes
    augments_itself: ClassVar[bool] = False  # its critic loss gets images before augmentation, and `batch.augment`
    compares_features: ClassVar[bool] = False  # whether a loss needs the critic's features
    fewest_images: ClassVar[int] = 1  # in a batch
    score_size: ClassVar[int] = 1  # numbers per score
    patience_setting: ClassVar[str] = ""  # the field that is its `patience`, if it has one
    critic: ClassVar[str] = "resnet"  # the registered critic that --gan.critic may replace

    critic_steps: Positive = setting(1, "critic steps per generator step")
    generator_lr: Rate = setting(2e-4, "Adam rate of the generator", source="CT-GAN code")
    critic_lr: Rate = setting(2e-4, "Adam rate of the critic", source="CT-GAN code")
    class_head: ClassHead = setting(
        "classifier",
        "how the critic learns labels: by an auxiliary classifier, or as a part of its scores",
        source="CT-GAN code",
    )
    class_weight_critic: Weight = setting(1.0, "class loss in the critic's loss", source="CT-GAN code")
    class_weight_generator: Weight = setting(0.1, "class loss in the generator's loss", source="CT-GAN code")

    @property
    def critic_options(self) -> dict[str, Any]:
        """Return the critic's options besides its sizes; a critic gets only those that it knows."""
        return {}

    @property
    def patience(self) -> int:
        """Evaluations without a better score after which `CriticBatch.num_doublings` grows by one; 0: never."""
        return int(getattr(self, self.patience_setting)) if self.patience_setting else 0

    @abstractmethod
    def critic_loss(self, batch: CriticBatch) -> Loss:
        """The critic's loss on one batch. No gradient reaches the generator."""

    @abstractmethod
    def generator_loss(self, batch: GeneratorBatch) -> Loss:
        """The generator's loss on one batch."""

    def critic_total(self, loss: Tensor, terms: Terms, real: CriticOutput, labels: Tensor | None) -> Loss:
        """The critic's loss plus the class loss of the reals, if there are classes."""
        return _with_class_loss(loss, terms, real, labels, self.class_weight_critic)

    def generator_total(self, loss: Tensor, terms: Terms, fake: CriticOutput, labels: Tensor | None) -> Loss:
        """The generator's loss plus the class loss of the fakes, if there are classes."""
        return _with_class_loss(loss, terms, fake, labels, self.class_weight_generator)


OBJECTIVES: Registry[type[Objective]] = Registry("objective")
CLASS_WEIGHTS = ("class_weight_critic", "class_weight_generator")
OF_LABELS = ("class_head", *CLASS_WEIGHTS)  # settings that have no meaning without labels
ObjectiveType = TypeVar("ObjectiveType", bound=type[Objective])


def register_objective(name: str) -> Callable[[ObjectiveType], ObjectiveType]:
    """Register a subclass of `Objective` as `--gan.objective NAME`; its fields become settings `--gan.FIELD`."""

    def register(objective: ObjectiveType) -> ObjectiveType:
        OBJECTIVES.add(name, objective)
        objective.name = name
        return objective

    return register


def with_labels(critic: CriticCall, labels: Tensor | None) -> CriticCall:
    """The critic of images that come in groups, each of which has these labels (N,) in this order; None: no labels."""
    if labels is None:
        return critic
    return lambda images: critic(images, labels.repeat(len(images) // len(labels)))


def score_groups(critic: CriticCall, *groups: Tensor) -> list[CriticOutput]:
    """One critic call for all groups of images, then the outputs of each group."""
    output = score(critic, torch.cat(groups))
    stops = torch.tensor([len(group) for group in groups]).cumsum(0).tolist()
    return [output.rows(stop - len(group), stop) for stop, group in zip(stops, groups, strict=True)]


def score(critic: CriticCall, images: Tensor) -> CriticOutput:
    """The critic's output, raised from half precision to float32, in which losses and penalties are computed."""

    def raised(value: Tensor | None) -> Tensor | None:
        return value.float() if value is not None and value.dtype in (torch.bfloat16, torch.float16) else value

    return CriticOutput(*(raised(value) for value in critic(images)))  # type: ignore[arg-type]


def _with_class_loss(loss: Tensor, terms: Terms, output: CriticOutput, labels: Tensor | None, weight: float) -> Loss:
    if output.class_logits is not None and labels is not None:  # also with weight 0: processes share every gradient
        terms = {**terms, "class": losses.class_loss(output.class_logits, labels)}
        loss = loss + weight * terms["class"]
    return loss, {name: value.detach() for name, value in terms.items()}
