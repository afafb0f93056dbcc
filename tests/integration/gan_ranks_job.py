"""Adversarial steps and a tiny training on however many ranks. Run by test_gan_two_ranks.py.

    torchrun --nproc-per-node 2 gan_ranks_job.py FOLDER

Rank 0 saves the weights after two rounds of a global batch of eight. What differs between ranks on purpose is taken
out: batch norm keeps to its running statistics, and dequantisation and interpolation shares are constants.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))

from toy_gan import toy_generator, toy_images, toy_settings

from degas.data.pixels import to_symmetric
from degas.gan import state as steps_module
from degas.gan.loop import run_training
from degas.gan.objectives import wasserstein
from degas.gan.state import Steps
from degas.runtime.checkpoint import save_checkpoint
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder

GLOBAL_BATCH = 8


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with Engine(device="cpu") as engine:
        train(folder / "train", engine)
        grow(folder / "grown", engine)
        steps_module.dequantise = lambda images, _random: to_symmetric(images)
        wasserstein.draw_shares = lambda images: torch.full((len(images),), 0.25)
        for objective in ("sn-gan", "r3gan", "wgan-gp"):
            two_rounds(objective, folder / objective, engine)


def two_rounds(objective: str, folder: Path, engine: Engine) -> None:
    settings = toy_settings(objective=objective, batch_images=GLOBAL_BATCH // engine.num_ranks, critic_steps=1)
    steps = Steps(toy_generator(), toy_images(), settings, seed=1, engine=engine)
    steps.generator.eval()
    for step in (0, 1):
        steps.critic_step(step, 0)
        steps.generator_step(step)
    same_everywhere(steps, engine)
    if engine.is_main:
        networks = {"critic": steps.critic.state_dict(), "generator": steps.generator.state_dict()}
        save_checkpoint(folder, 2, networks)


def train(folder: Path, engine: Engine) -> None:
    settings = toy_settings(objective="ct-gan", supervised=True, critic_steps=2, num_steps=3)
    with StageFolder(folder, settings={}, resume=False, kind="train") as stage:
        run_training(toy_generator(2), toy_images(), settings, seed=1, folder=stage, engine=engine, progress=False)


def grow(folder: Path, engine: Engine) -> None:
    """At 8 and 16 px: processes wait for the gradient of every weight, also after the fade."""
    settings = toy_settings(objective="r3gan", grow="fade", num_steps=6, sampling_bn="running")
    generator, images = toy_generator(kind="architecture", num_stages=2), toy_images(size=16)
    with StageFolder(folder, settings={}, resume=False, kind="train") as stage:
        run_training(generator, images, settings, seed=1, folder=stage, engine=engine, progress=False)
    for tensor in generator.parameters():
        everyone = engine.gather(tensor.detach().reshape(1, -1))
        assert all(torch.equal(everyone[0], other) for other in everyone)


def same_everywhere(steps: Steps, engine: Engine) -> None:
    for tensor in (*steps.critic.parameters(), *steps.generator.parameters()):
        everyone = engine.gather(tensor.detach().reshape(1, -1))
        assert all(torch.equal(everyone[0], other) for other in everyone)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
