"""GLO steps and a tiny search on however many ranks. Run by test_search_two_ranks.py.

    torchrun --nproc-per-node 2 search_ranks_job.py FOLDER

Rank 0 saves weights and latents of a network without batch norm (whose statistics are each rank's own) after three GLO
steps of a global batch of eight; then every rank takes part in a search and checks that it holds the same state.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from degas.data.image_set import ImageSet
from degas.data.loader import Batches
from degas.nas.glo.glo import Glo
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.runtime import save_clock
from degas.runtime.checkpoint import save_checkpoint
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings

GLOBAL_BATCH = 8
VARIANTS = {
    "schedule": "alternate",
    "order": "second",
    "weight_optimizer": "sgd",
    "weight_lr": 0.05,
    "relaxation": "gumbel",
    "beta_weight": 1.0,
    "cost_weight": 0.1,
    "prune": "alone",
    "perturbation_batches": 1,
    "perturbation_tune_steps": 1,
}
PATHS = {"schedule": "alternate", "paths": "reinforce"}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    images = ImageSet(np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8), None, (), "noise", "0")
    with Engine(device="cpu") as engine:
        settings = SearchSettings(
            width=4, noise_size=6, num_epochs=1, batch_images=GLOBAL_BATCH // engine.num_ranks, plateau_share=0.0
        )
        glo_steps(images, settings, engine, folder)
        search(images, settings, engine, folder / "search")
        search(images, settings.model_copy(update=VARIANTS), engine, folder / "variants")
        search(images, settings.model_copy(update=PATHS), engine, folder / "paths")
        resumed_search(images, settings, engine, folder / "resumed")
        timed_search(images, settings.model_copy(update={"num_epochs": 6}), engine, folder / "timed")


def glo_steps(images: ImageSet, settings: SearchSettings, engine: Engine, folder: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    sizes = {"noise_size": 6, "total_steps": 10, "seed": 0, "engine": engine}
    glo = Glo(network, network.parameters(), images, settings, **sizes)
    ranks = {"rank": engine.rank, "num_ranks": engine.num_ranks}
    batches = Batches(images, settings.batch_images, seed=0, purpose="test", **ranks)
    for step in range(3):
        glo.step(batches(step), glo.rate_share(step))
    if engine.is_main:
        save_checkpoint(folder / "glo", 3, glo.state_dict())


def search(images: ImageSet, settings: SearchSettings, engine: Engine, folder: Path) -> None:
    with StageFolder(folder, settings={}, resume=False, kind="search") as stage:
        run_search(images, settings, SpaceSettings(), seed=0, folder=stage, engine=engine, progress=False)
    again = Search(images, settings, SpaceSettings(), seed=0, engine=engine)
    for step in range(again.total_steps):
        again.step(step)
    for tensor in (*again.supernet.parameters(), *again.signal.table.state_dict().values()):
        everyone = engine.gather(tensor.detach().reshape(1, -1))
        assert all(torch.equal(everyone[0], other) for other in everyone)
    alphas = again.supernet.alpha_by_name()
    if engine.is_main:
        stage.append("again.jsonl", {"step": 0, **alphas})


def resumed_search(images: ImageSet, settings: SearchSettings, engine: Engine, folder: Path) -> None:
    """Cut short after the second of three steps."""
    with StageFolder(folder, settings={}, resume=False, kind="search") as stage:
        begun = Search(images, settings, SpaceSettings(), seed=0, engine=engine)
        for step in range(2):
            begun.step(step)
        stage.save(2, begun.state_dict())
        engine.wait()
    with StageFolder(folder, settings={}, resume=True, kind="search") as stage:
        run_search(images, settings, SpaceSettings(), seed=0, folder=stage, engine=engine, progress=False)


def timed_search(images: ImageSet, settings: SearchSettings, engine: Engine, folder: Path) -> None:
    """18 steps, in which the minute is always over for the last rank alone."""
    if engine.rank == engine.num_ranks - 1:
        save_clock.SECONDS, save_clock.SAVING_SHARE = 0.0, 1e9
    with StageFolder(folder, settings={}, resume=False, kind="search") as stage:
        run_search(images, settings, SpaceSettings(), seed=0, folder=stage, engine=engine, progress=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
