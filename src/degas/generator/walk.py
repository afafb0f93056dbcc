"""A walk between samples: the noise moves along the sphere from each sample to the next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from degas.errors import UserError
from degas.generator.generator import Generator, draw_noise
from degas.runtime.torch_state import plain_torch

BATCH_IMAGES = 100  # as `Generator.images` draws them
SMALLEST_SINE = 1e-6  # of the angle between two noise vectors; below it their great circle is undefined


@plain_torch()
def walk(generator: Generator, num_samples: int, num_between: int, seed: int = 0, label: int | None = None) -> Tensor:
    """The images of a closed walk through samples 0 … K − 1 of `seed`: uint8 (K·(N + 1), C, H, W) on the CPU.

    Sample k is image k·(N + 1). N = `num_between` images lead from each sample to the next, and from the last back to
    the first. A conditional generator makes one class, `label`. With `sampling_bn` = batch an image also depends on the
    others of its batch.
    """
    if num_samples < 2:
        raise UserError("--num-images: a walk connects at least two samples; give 2 or more")
    noise = walk_noise(draw_noise(num_samples, generator.noise_size, seed), num_between)
    labels = None if label is None else torch.full((len(noise),), label)
    parts = range(0, len(noise), BATCH_IMAGES)
    rows: Sequence[slice] = [slice(start, start + BATCH_IMAGES) for start in parts]
    return torch.cat([generator.draw(noise[one], None if labels is None else labels[one]) for one in rows])


@plain_torch()
def walk_noise(ends: Tensor, num_between: int) -> Tensor:
    """Noise of a closed walk through `ends` (K, d): float32 (K·(N + 1), d); rows k·(N + 1) are `ends`."""
    legs = [
        torch.cat([ends[k : k + 1], between(ends[k], ends[(k + 1) % len(ends)], num_between)]) for k in range(len(ends))
    ]
    return torch.cat(legs)


def between(start: Tensor, end: Tensor, num: int) -> Tensor:
    """`num` noise vectors at equal angles from `start` to `end`, both (d,): float32 (num, d).

    The direction turns along the great circle through both, and the length changes linearly: normal noise is near a
    sphere, which a straight line would leave. If the two have the same or opposite directions, it is the straight line.
    """
    share = (torch.arange(1, num + 1, dtype=torch.float64) / (num + 1))[:, None]  # (num, 1)
    first, last = start.double(), end.double()
    lengths = first.norm(), last.norm()
    cosine = (first @ last / (lengths[0] * lengths[1])).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if not torch.sin(angle) > SMALLEST_SINE:  # a length of 0 has no direction either
        return ((1 - share) * first + share * last).float()
    turned = torch.sin((1 - share) * angle) * (first / lengths[0]) + torch.sin(share * angle) * (last / lengths[1])
    length = (1 - share) * lengths[0] + share * lengths[1]
    return (length * turned / torch.sin(angle)).float()


def as_legs(images: Tensor, num_between: int) -> Tensor:
    """A walk's images as rows of a picture: (K·(N + 2), C, H, W), each row with the sample at its end."""
    legs = images.unflatten(0, (-1, num_between + 1))  # (K, N + 1, C, H, W)
    goals = legs[:, :1].roll(-1, 0)
    return torch.cat([legs, goals], 1).flatten(0, 1)
