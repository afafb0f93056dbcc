"""The steps of a growing training: those of one stage, and their change at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from degas.data.image_set import ImageSet, area_downsampled
from degas.data.loader import Batches
from degas.gan.grow.critic import critic_of_stage, front_of, take_over_critic
from degas.gan.grow.generator import FadingGenerator, generator_of_stage
from degas.gan.grow.plan import Stage
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.nets.growing import faded
from degas.nets.resampling import half
from degas.runtime.distributed import Engine
from degas.runtime.finite import FiniteWatch
from degas.runtime.replay import Replayed


class StageSteps(Steps):
    """The steps of a stage: as `Steps`, but images, generator and critic fade in from those of the stage before.

    Attributes:
        fade: the share of the stage's own images in the last step.
    """

    def __init__(
        self, stage: Stage, final: Generator, images: ImageSet, settings: CompleteGan, *, seed: int, engine: Engine
    ) -> None:
        self.stage, self.fade = stage, 1.0
        made = generator_of_stage(final, settings, stage.num_later, seed)
        generator = cast(Generator, FadingGenerator(made)) if stage.number else made
        smaller = area_downsampled(images, stage.image_size)
        critic = critic_of_stage(settings, smaller, stage.number, stage.num_later, seed)
        super().__init__(generator, smaller, settings, seed=seed, engine=engine, critic=critic)

    def take_over(self, old: Steps) -> None:
        """Take over networks and average of the stage before; the moments of the optimisers are new (our choice)."""
        cast(FadingGenerator, self.generator).take_over(old.generator)
        if self.average is not None and old.average is not None:
            cast(FadingGenerator, self.average.module).take_over(old.average.module)
        take_over_critic(self.critic, old.critic)
        self.num_doublings = old.num_doublings

    def set_fade(self, fade: float) -> None:
        self.fade = fade
        if isinstance(self.generator, FadingGenerator):
            self.generator.fade = front_of(self.critic).fade = fade

    def critic_step(self, step: int, turn: int) -> dict[str, Tensor]:
        self.set_fade(self.stage.fade_at(step))
        return super().critic_step(step, turn)

    def generator_step(self, step: int) -> dict[str, Tensor]:
        self.set_fade(self.stage.fade_at(step))
        return super().generator_step(step)

    def to_publish(self) -> Generator:
        """The averaged generator if there is one; until the fade is over, that of the stage before."""
        shown = super().to_publish()
        if not isinstance(shown, FadingGenerator):
            return shown
        return shown.generator if self.fade >= 1.0 else shown.smaller()

    def _reals(self, batches: Batches, index: int, purpose: str) -> tuple[Tensor, Tensor | None]:
        """Reals fade in, too: else the critic would tell them by their sharpness."""
        images, labels = super()._reals(batches, index, purpose)
        return images if self.fade >= 1.0 else faded(images, half(images), self.fade), labels


class GrownSteps:
    """The steps of all stages, one stage's networks at a time; as `Steps` to the loop and its bookkeeping.

    Args:
        final: the generator of the last stage, which is trained in place.
        stages: at least two, in order.
    """

    def __init__(
        self,
        final: Generator,
        images: ImageSet,
        settings: CompleteGan,
        stages: Sequence[Stage],
        *,
        seed: int,
        engine: Engine,
    ) -> None:
        self.stages, self.engine = tuple(stages), engine
        self._make = lambda stage: StageSteps(stage, final, images, settings, seed=seed, engine=engine)
        self.now: StageSteps = self._make(self.stages[0])

    def both(self, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Take the critic steps and the generator step `step`; a new stage begins with its first one."""
        while step >= self.now.stage.last_step:
            self._advance()
        return self.now.both(step)

    def _advance(self) -> None:
        before = self.now
        before.watch.check()  # never take over a diverged network
        self.now = self._make(self.stages[before.stage.number + 1])
        self.now.take_over(before)

    def to_publish(self) -> Generator:
        """The generator so far, of the last size that has faded in. Not a copy."""
        return self.now.to_publish()

    def state_dict(self) -> dict[str, Any]:
        """The state of the current stage, which at its end is still the old one."""
        return {"stage": self.now.stage.number, "fade": self.now.fade, **self.now.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        num_doublings = self.num_doublings
        self.now = self._make(self.stages[state["stage"]])
        self.now.load_state_dict(state)
        self.now.set_fade(state["fade"])
        self.num_doublings = num_doublings

    @property
    def num_doublings(self) -> int:
        """Doublings by the objective's patience, which count over all stages."""
        return self.now.num_doublings

    @num_doublings.setter
    def num_doublings(self, value: int) -> None:
        self.now.num_doublings = value

    @property
    def watch(self) -> FiniteWatch:
        return self.now.watch

    @property
    def replayed(self) -> dict[str, Replayed]:
        return self.now.replayed
