"""One search step on images of 128 px, with 64 channels and batches of 16: processor time, and memory of the process.

OMP_NUM_THREADS=1 python benchmarks/large_step.py [--checkpoint-activations]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import torch

from degas.data.image_set import ImageSet
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def main(checkpoint_activations: bool) -> None:
    torch.set_num_threads(1)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 3, 128, 128), dtype=np.uint8)
    settings = SearchSettings(width=64, batch_images=16, checkpoint_activations=checkpoint_activations)
    images = ImageSet(pixels, None, (), "noise", "0")
    search = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    search.signal.start()
    before, begun = peak_mib(), time.process_time()
    loss = float(search.step(0)["loss"])
    seconds = time.process_time() - begun
    print(
        f"loss {loss:.6f}  {seconds:.1f} processor s  peak {before:.0f} MiB before the step, {peak_mib():.0f} after it"
    )


if __name__ == "__main__":
    main("--checkpoint-activations" in sys.argv[1:])
