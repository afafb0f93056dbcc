"""Trainings that begin on some ranks and go on with others. Run by test_resumed_ranks.py.

    torchrun --nproc-per-node 2 resumed_ranks_job.py ROOT NAME:END …

Each NAME:END takes a fit, adversarial steps, a training and a search in ROOT/NAME up to END, from where they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))

from toy_gan import toy_generator, toy_images, toy_settings

from degas.data.image_set import ImageSet
from degas.data.loader import Batches
from degas.gan.loop import run_training
from degas.gan.state import Steps
from degas.nas.glo.glo import Glo
from degas.nas.loop import run_steps
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings

NUM_STEPS = 4
EACH = 4  # images of each process in a batch


def main(root: Path, *jobs: str) -> None:
    torch.set_num_threads(1)
    for job in jobs:
        name, _, end = job.partition(":")
        for kind in (fit, adversarial_steps, training, search):
            stage = StageFolder(root / name / kind.__name__, settings={}, resume=True, kind=kind.__name__)
            with stage as folder, Engine("float32", "cpu", folder.begun_ranks) as engine:
                kind(folder, engine, int(end))


def noise_images() -> ImageSet:
    return ImageSet(np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8), None, (), "noise", "0")


def search_settings() -> SearchSettings:
    return SearchSettings(width=4, noise_size=6, num_epochs=2, batch_images=EACH, plateau_share=0.0, log_steps=1)


def fit(folder: StageFolder, engine: Engine, end: int) -> None:
    """GLO of a network without batch norm, whose statistics are each process's own."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    sizes: dict[str, Any] = {"noise_size": 6, "total_steps": NUM_STEPS, "seed": 0, "engine": engine}
    glo = Glo(network, network.parameters(), noise_images(), search_settings(), **sizes)
    batches = Batches(noise_images(), EACH, seed=0, purpose="test", **vars(engine.shares))
    found = folder.restore(print, engine)
    if found is not None:
        glo.load_state_dict(found[1])
    for step in range(found[0] if found is not None else 0, end):
        moved = glo.step(batches(step), glo.rate_share(step))
        terms = list(moved.terms.values())
        engine.all_reduce_mean(terms)
        folder.log_metrics(step + 1, loss=sum(terms))
    folder.save(end, glo.state_dict())


def adversarial_steps(folder: StageFolder, engine: Engine, end: int) -> None:
    """With the generator's batch norms at their running statistics, since these are each process's own."""
    own = {"critic_steps": 2, "num_steps": NUM_STEPS, "horizontal_flip": True}
    settings = toy_settings(objective="sn-gan", batch_images=EACH, **own)
    steps = Steps(toy_generator(), toy_images(), settings, seed=1, engine=engine)
    steps.generator.eval()
    found = folder.restore(print, engine)
    if found is not None:
        steps.load_state_dict(found[1])
    for step in range(found[0] if found is not None else 0, end):
        critic, generator = steps.both(step)
        values = {"critic": critic["loss"], "generator": generator["loss"]}
        engine.all_reduce_mean(values.values())
        folder.log_metrics(step + 1, **values)
    folder.save(end, steps.state_dict())


def training(folder: StageFolder, engine: Engine, end: int) -> None:
    """As it is: the batch norms of fewer processes keep to the parts of the batch that those before had."""
    stop = end if end < NUM_STEPS else 0
    settings = toy_settings(objective="sn-gan", batch_images=EACH, num_steps=NUM_STEPS, stop_step=stop, log_steps=1)
    run_training(toy_generator(), toy_images(), settings, seed=1, folder=folder, engine=engine, progress=False)


def search(folder: StageFolder, engine: Engine, end: int) -> None:
    whole = Search(noise_images(), search_settings(), SpaceSettings(), seed=0, engine=engine)
    if end == NUM_STEPS:
        run_steps(whole, folder, progress=False)
        return
    whole.signal.start()
    for step in range(end):
        folder.log_metrics(step + 1, **whole.log_values(whole.step(step), step))
    folder.save(end, whole.state_dict())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
