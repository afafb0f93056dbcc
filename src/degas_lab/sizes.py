"""The sizes of `degas benchmark`: those of a step, images of noise, and the paper's schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from degas.data.image_set import ImageSet
from degas.runtime.rng import numpy_generator
from degas.settings.sections import SearchSettings

NUM_BATCHES = 4  # of images: enough for a step's two batches to differ


@dataclass(frozen=True)
class Sizes:
    """The sizes of a measurement."""

    width: int = 32
    batch_images: int = 64
    image_size: int = 32
    noise_size: int = 128
    channels: int = 3
    num_images: int = 0  # 0: a few batches

    def images(self, seed: int) -> ImageSet:
        count = self.num_images or NUM_BATCHES * self.batch_images
        shape = (max(count, self.batch_images), self.channels, self.image_size, self.image_size)
        pixels = numpy_generator(seed, "benchmark images").integers(0, 256, shape, dtype=np.uint8)
        return ImageSet(pixels, None, (), "noise", "")

    def search(self) -> SearchSettings:
        """The paper's two half steps, as in the textbook's step."""
        return SearchSettings(
            width=self.width,
            noise_size=self.noise_size,
            batch_images=self.batch_images,
            latent_init="random",
            schedule="alternate",
        )
