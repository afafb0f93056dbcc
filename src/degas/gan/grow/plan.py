"""The stages of a training that grows: their image sizes and their steps."""

from __future__ import annotations

from dataclasses import dataclass

from degas.errors import UserError
from degas.gan.grow.critic import most_halvings_less
from degas.gan.settings import CompleteGan
from degas.generator.config import sizes_of
from degas.generator.generator import Generator
from degas.nets.growing import fade_share

SMALLEST = 8  # pixels a side of the first stage, at least; our choice, as in a grown search
GROWS = ("architecture", "resnet")  # kinds of generators


@dataclass(frozen=True)
class Stage:
    """The generator steps `first_step` … `last_step` − 1, counted from 0, at one image size.

    Attributes:
        number: of the stage, from 0.
        num_later: stages after it, each with images twice as large.
        num_ups: up-sampling stages of its generator.
    """

    number: int
    num_later: int
    image_size: int
    num_ups: int
    first_step: int
    last_step: int

    @property
    def num_steps(self) -> int:
        return self.last_step - self.first_step

    @property
    def in_words(self) -> str:
        """Its steps as the logs count them, from 1."""
        return f"{self.first_step + 1:,} to {self.last_step:,} of the generator"

    def fade_at(self, step: int) -> float:
        """The share of its own images in generator step `step`; the rest are those of the stage before."""
        return fade_share(step - self.first_step, self.num_steps) if self.number else 1.0

    def as_record(self) -> dict[str, int]:
        """Its entry in growth.json, whose steps are those of the logs, which count from 1."""
        return {"image_size": self.image_size, "first_step": self.first_step + 1, "last_step": self.last_step}


def training_stages(settings: CompleteGan, generator: Generator) -> tuple[Stage, ...]:
    """The stages of a training of `generator`, the smallest first, the last at its size; one if it does not grow.

    The first size is the smallest of at least 8 px that one up-sampling stage or more makes, and for which the critic
    has a part left. Each stage has an equal share of the steps, rounded; there are no more stages than steps.
    """
    ups, size = int(sizes_of(generator.config)["num_stages"]), generator.image_size
    most = min(ups, settings.num_steps) - 1 if settings.grow != "none" else 0
    most = min(most, most_halvings_less(settings, size)) if most else 0
    later = max(k for k in range(most + 1) if not k or size // 2**k >= SMALLEST)
    ends = [round(settings.num_steps * k / (later + 1)) for k in range(later + 2)]
    return tuple(
        Stage(k, later - k, size // 2 ** (later - k), ups - (later - k), ends[k], ends[k + 1]) for k in range(later + 1)
    )


def check_growth(settings: CompleteGan, image_size: int) -> None:
    """Raise `UserError` for settings with which no training can grow."""
    if settings.grow == "none":
        return
    if settings.cuda_graphs:
        raise UserError("--gan.cuda-graphs replays one step, but --gan.grow makes steps differ; leave out one of them")
    if settings.layout is None and settings.critic != "resnet":
        raise UserError(
            f"--gan.critic {settings.critic}: only the critic resnet and those of critic files can grow; leave out "
            "--gan.grow, or give another critic"
        )
    if not most_halvings_less(settings, image_size):
        raise UserError(
            f"--gan.critic {settings.critic}: halves once and has no normal operation, so no part of it is left to "
            "begin with; add a stage or a normal operation, or leave out --gan.grow"
        )


def check_grown_generator(settings: CompleteGan, generator: Generator) -> None:
    """Raise `UserError` for a generator that cannot grow."""
    kind = generator.config["kind"]
    if settings.grow != "none" and kind not in GROWS:
        raise UserError(f"--gan.grow: an architecture or resnet can grow, {kind} cannot; leave it out")
