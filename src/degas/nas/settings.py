"""A user's search settings → the complete settings of a search."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from degas.data.loader import enough_epochs, steps_per_epoch
from degas.nas.held_out import num_held_out
from degas.settings.base import Positive, Rate
from degas.settings.sections import SearchSettings

# The default of num_epochs: more found nothing better, fewer agree less (docs/evidence/search-settings.md).
FEWEST_EPOCHS = 5
FEWEST_STEPS = 500
ANNEALED = 0.1  # share of the temperature at the end of annealing: our choice; ASAP's falls from 1.3 to about 0.1


class CompleteSearch(SearchSettings):
    """The complete settings of a search, made by `resolve_search`.

    None remains only where it means absence: no prefix, no cap on the size, no fixed margin for settling. `asked` are
    the user's settings, as config.json holds them.
    """

    num_epochs: Positive
    alpha_batch: Literal["other", "same", "held_out"]
    alpha_lr: Rate
    temperature_end: Rate
    asked: SearchSettings = Field(exclude=True)

    def as_config(self) -> dict[str, Any]:
        """The object of config.json: the user's settings."""
        return self.asked.model_dump(mode="json")


def resolve_search(asked: SearchSettings, num_images: int, num_ranks: int = 1) -> CompleteSearch:
    """The complete settings for this number of images and processes: the given ones, and the rest derived from them."""
    epoch_steps = steps_of_epoch(asked, num_images, num_ranks)
    num_epochs = asked.num_epochs or enough_epochs(epoch_steps, fewest_epochs=FEWEST_EPOCHS, fewest_steps=FEWEST_STEPS)
    derived = {
        "num_epochs": num_epochs,
        "alpha_batch": alpha_batch(asked),
        "alpha_lr": asked.alpha_lr or alpha_rate(num_epochs * epoch_steps),
        "temperature_end": asked.temperature_end or asked.temperature * (ANNEALED if asked.leave == "anneal" else 1.0),
    }
    values = {name: getattr(asked, name) for name in SearchSettings.model_fields}
    return CompleteSearch(**{**values, **derived}, asked=asked)


def steps_of_epoch(asked: SearchSettings, num_images: int, num_ranks: int = 1) -> int:
    """Return the number of steps in one pass of the weights over their images."""
    held_out = num_held_out(num_images, asked.held_out_fraction) if alpha_batch(asked) == "held_out" else 0
    return steps_per_epoch(num_images - held_out, asked.batch_images, num_ranks)


def alpha_batch(asked: SearchSettings) -> Literal["other", "same", "held_out"]:
    """The images of an α step; REINFORCE rewards the loss of images that no weight step sees, as ENAS does."""
    if asked.alpha_batch is not None:
        return asked.alpha_batch
    if asked.paths == "reinforce":
        return "held_out"
    return "same" if asked.schedule == "joint" else "other"


def alpha_rate(total_steps: int) -> float:
    """Adam's rate for α unless one is given: 15/steps, within bounds.

    α moves by at most rate·steps, and most steps cancel, since its gradient is mostly noise: in 500 steps at 0.03 it
    moved by at most 2. Among 0.002, 0.01, 0.03 and 0.1, the rate 0.03 found the best architecture in 500 steps
    (docs/evidence/search-settings.md).
    """
    return max(3e-4, min(0.03, 15.0 / total_steps))
