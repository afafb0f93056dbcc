"""Search settings as a user gives them → the complete ones that a search has."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from degas.data.loader import enough_epochs, steps_per_epoch
from degas.nas.held_out import num_held_out
from degas.settings.base import Positive, Rate
from degas.settings.sections import SearchSettings

# Where num_epochs is unset: more found nothing better, fewer agree less between seeds (docs/search.md).
FEWEST_EPOCHS = 5
FEWEST_STEPS = 500


class CompleteSearch(SearchSettings):
    """The settings of a search, with nothing left open; made by `resolve_search`.

    None remains where it says that there is no such thing: no cap on the size, no fixed margin for settling.
    `asked` is what the user asked for, as config.json holds it.
    """

    num_epochs: Positive
    alpha_batch: Literal["other", "same", "held_out"]
    alpha_lr: Rate
    temperature_end: Rate
    asked: SearchSettings = Field(exclude=True)

    def as_config(self) -> dict[str, Any]:
        """The object of config.json: every setting as the user gave it."""
        return self.asked.model_dump(mode="json")


def resolve_search(asked: SearchSettings, num_images: int, num_ranks: int = 1) -> CompleteSearch:
    """Complete settings for so many images and processes: what is given, and what follows from it for the rest."""
    epoch_steps = steps_of_epoch(asked, num_images, num_ranks)
    num_epochs = asked.num_epochs or enough_epochs(epoch_steps, fewest_epochs=FEWEST_EPOCHS, fewest_steps=FEWEST_STEPS)
    derived = {
        "num_epochs": num_epochs,
        "alpha_batch": asked.alpha_batch or ("same" if asked.schedule == "joint" else "other"),
        "alpha_lr": asked.alpha_lr or alpha_rate(num_epochs * epoch_steps),
        "temperature_end": asked.temperature_end or asked.temperature,
    }
    values = {name: getattr(asked, name) for name in SearchSettings.model_fields}
    return CompleteSearch(**{**values, **derived}, asked=asked)


def steps_of_epoch(asked: SearchSettings, num_images: int, num_ranks: int = 1) -> int:
    """Return the number of steps in which the weights see each of their images once."""
    held_out = num_held_out(num_images, asked.held_out_fraction) if asked.alpha_batch == "held_out" else 0
    return steps_per_epoch(num_images - held_out, asked.batch_images, num_ranks)


def alpha_rate(total_steps: int) -> float:
    """Adam's rate for α unless one is given: 15/steps, within bounds.

    α moves at most rate·steps, and most steps cancel, since its gradient is mostly noise: over 500 steps at 0.03 it has
    moved by 2 at most. Of 0.002, 0.01, 0.03 and 0.1, 0.03 found the best architecture in 500 steps (docs/search.md).
    """
    return max(3e-4, min(0.03, 15.0 / total_steps))
