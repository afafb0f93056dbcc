"""Train a found architecture with PyTorch Lightning: the generator is a plain module, so any framework will do.

pip install -r requirements.txt
python lightning_gan.py --architecture runs/digits --data digits --max-steps 200
"""

from __future__ import annotations

import argparse

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import degas
from degas.data.pixels import to_symmetric
from degas.data.sources import load_images
from degas.nets.critic import Critic
from degas.settings.sections import DataSettings
from degas.space.find import load_architecture


class GanModule(L.LightningModule):
    """A hinge GAN with two optimisers. The generator is what `degas train` would build, and is saved as it saves it."""

    def __init__(self, generator: degas.Generator, critic_width: int = 32, lr: float = 2e-4) -> None:
        super().__init__()
        self.automatic_optimization = False  # two optimisers: Lightning's manner for GANs
        self.generator = generator
        sizes = {"channels": generator.channels, "image_size": generator.image_size}
        self.critic = Critic(width=critic_width, **sizes, spectral=True, score_pool="sum")
        self.lr = lr

    def forward(self, noise: Tensor) -> Tensor:
        return self.generator(noise)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(part.parameters(), self.lr, (0.0, 0.9)) for part in (self.generator, self.critic)]

    def training_step(self, batch: list[Tensor], batch_index: int) -> None:
        (real_images,) = batch
        generator_optimizer, critic_optimizer = self.optimizers()

        self.toggle_optimizer(critic_optimizer)
        fake_images = self(self.noise(len(real_images))).detach()
        real_scores, fake_scores = self.critic(real_images).scores, self.critic(fake_images).scores
        critic_loss = F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()
        critic_optimizer.zero_grad()
        self.manual_backward(critic_loss)
        critic_optimizer.step()
        self.untoggle_optimizer(critic_optimizer)

        self.toggle_optimizer(generator_optimizer)
        generator_loss = -self.critic(self(self.noise(len(real_images)))).scores.mean()
        generator_optimizer.zero_grad()
        self.manual_backward(generator_loss)
        generator_optimizer.step()
        self.untoggle_optimizer(generator_optimizer)
        self.log_dict({"critic_loss": critic_loss, "generator_loss": generator_loss}, prog_bar=True)

    def noise(self, n: int) -> Tensor:
        return torch.randn(n, self.generator.noise_size, device=self.device)


def train(
    architecture: str | degas.Architecture,
    data: str,
    out: str,
    *,
    max_steps: int,
    image_size: int | None = None,
    **trainer: object,
) -> GanModule:
    """Fit for `max_steps` optimiser steps (Lightning counts the critic's and the generator's) and save to `out`."""
    images = load_images(data, DataSettings(image_size=image_size))
    found = load_architecture(architecture).for_image_size(images.image_size).resized(channels=images.channels)
    module = GanModule(degas.Generator.from_architecture(found))
    pixels = TensorDataset(to_symmetric(torch.from_numpy(images.images[:])))  # float32 (N, C, H, W) in [−1, 1]
    batches = DataLoader(pixels, batch_size=min(64, len(pixels)), shuffle=True, drop_last=True)
    L.Trainer(max_steps=max_steps, enable_checkpointing=False, **trainer).fit(module, batches)
    module.generator.save(out)
    return module


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", required=True, help="architecture.json, a run folder, or a shipped name")
    parser.add_argument("--data", default="digits", help="images to train on, as for `degas train`")
    parser.add_argument("--out", default="runs/lightning/generator", help="folder of the generator")
    parser.add_argument("--max-steps", type=int, default=200)
    options = parser.parse_args()
    L.seed_everything(0)
    train(options.architecture, options.data, options.out, max_steps=options.max_steps)
    print(f"generator {options.out}")
