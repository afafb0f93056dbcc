"""A generator as it was before training, to measure how far training has brought it."""

from __future__ import annotations

from degas.generator.generator import Generator
from degas.runtime.rng import forked_rng


def untrained_copy(generator: Generator, seed: int) -> Generator:
    """The same generator with weights drawn from `seed`, on the same device.

    Batch norms use the statistics of each batch of samples, for they have no others yet. The weights are those that a
    training with this seed begins with, unless it changes how they start (`--gan.image-gain`, `--gan.deconv-start`,
    `--gan.frame-start`).
    """
    with forked_rng(seed, "generator weights"):
        fresh = Generator({**generator.config, "sampling_bn": "batch"})
    return fresh.to(next(generator.parameters()).device).eval()
