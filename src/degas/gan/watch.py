"""The watch over a training: a number that is not finite stops it; an exploding penalty or a collapse warns."""

from __future__ import annotations

import torch
from torch import Tensor

from degas.runtime.finite import FiniteWatch

# Unweighted penalties above these mean that the critic has left its constraint: a gradient norm of 11 for the
# Wasserstein critic, which should have 1, and of 450 for r3gan, a hundred times that of healthy runs. Our choice.
EXPLODED = {"penalty": 100.0, "real_penalty": 1e5, "fake_penalty": 1e5}
# A sample's distance to its nearest other sample, divided by that of reals: below this they are copies. Our choice.
COLLAPSED = 0.1
COLLAPSE_FROM_STEP = 100


def training_watch(*, deferred: bool) -> FiniteWatch:
    """The watch over critic and generator; values have names such as `critic loss` or `generator gradient_norm`."""

    def tell(step: int, name: str, value: float) -> str:
        return (
            f"step {step}: {name} is {value}: the training diverged; start it again with "
            "lower --gan.critic-lr and --gan.generator-lr, or --gan.precision float32"
        )

    return FiniteWatch(tell, deferred=deferred)


def exploded(step: int, values: dict[str, float]) -> str | None:
    """The warning for a penalty far outside its range, or None."""
    for name, limit in EXPLODED.items():
        value = values.get(f"critic_{name}", 0.0)
        if value > limit:
            return f"step {step}: the critic's {name} is {value:.3g}, over {limit:g}: training may be diverging"
    return None


def diversity(images: Tensor, reals: Tensor) -> float:
    """Median distance from an image to its nearest other image, divided by the same among reals.

    Both (N, C, H, W) with equal N ≥ 2, any dtype. Near 0 if samples are copies of each other; about 1 if all is well.
    """
    return float(_nearest(images) / _nearest(reals).clamp(min=1e-12))


def collapsed(step: int, value: float) -> str | None:
    """Return the warning for a collapsed `diversity`, or None. An early generator is flat, not collapsed."""
    if value >= COLLAPSED or step < COLLAPSE_FROM_STEP:
        return None
    return f"step {step}: samples differ {value:.2g} times as much as real images: the generator may have collapsed"


def _nearest(images: Tensor) -> Tensor:
    flat = images.flatten(1).double()
    distances = torch.cdist(flat, flat)
    return distances.fill_diagonal_(float("inf")).min(1).values.median()
