"""A found generator in code that expects StyleGAN3's or R3GAN's: `G(z, c)`, `z_dim`, `c_dim`, `img_resolution`.

    python stylegan_convention.py --generator runs/digits --data digits --num-steps 100

The adapter is all that a training script of that kind needs; the loop below shows one in that manner, at a small size.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import degas
from degas.data.sources import load_images
from degas.settings.sections import DataSettings


class StyleGanGenerator(nn.Module):
    """A degas generator that is called as StyleGAN3's and R3GAN's are: z (N, z_dim), c one-hot (N, c_dim) → images."""

    def __init__(self, generator: degas.Generator) -> None:
        super().__init__()
        self.generator = generator
        self.z_dim, self.c_dim = generator.noise_size, generator.num_classes
        self.img_resolution, self.img_channels = generator.image_size, generator.channels

    def forward(self, z: Tensor, c: Tensor, **ignored: object) -> Tensor:  # such as truncation_psi, noise_mode
        return self.generator(z, c.argmax(1) if self.c_dim else None)


class StyleGanCritic(nn.Module):
    """A small critic in the same manner: D(img, c) → (N, 1), conditional by projection."""

    def __init__(self, c_dim: int, img_resolution: int, img_channels: int, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(img_channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for _ in range((img_resolution // 4).bit_length() - 1):
            layers += [nn.Conv2d(width, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.trunk, self.score = nn.Sequential(*layers), nn.Linear(width, 1)
        self.embed = nn.Linear(c_dim, width, bias=False) if c_dim else None

    def forward(self, img: Tensor, c: Tensor, **ignored: object) -> Tensor:
        features = self.trunk(img).mean((2, 3))
        scores = self.score(features)
        return scores if self.embed is None else scores + (self.embed(c) * features).sum(1, keepdim=True)


class Loss:
    """R3GAN's relativistic loss with its two gradient penalties, written in the manner of those code bases."""

    def __init__(self, G: nn.Module, D: nn.Module, gamma: float = 0.05) -> None:
        self.G, self.D, self.gamma = G, D, gamma

    def accumulate_gradients(self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor) -> float:
        if phase == "G":
            loss = F.softplus(self.D(real_img, real_c) - self.D(self.G(gen_z, real_c), real_c)).mean()
        else:
            fake = self.G(gen_z, real_c).detach().requires_grad_()
            real = real_img.detach().requires_grad_()
            real_score, fake_score = self.D(real, real_c), self.D(fake, real_c)
            penalty = self.penalty(real_score, real) + self.penalty(fake_score, fake)
            loss = (F.softplus(fake_score - real_score) + self.gamma / 2 * penalty).mean()
        loss.backward()
        return float(loss.detach())

    @staticmethod
    def penalty(score: Tensor, img: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(score.sum(), img, create_graph=True)
        return gradient.square().sum((1, 2, 3))[:, None]


def training_loop(
    G: nn.Module, D: nn.Module, images: Tensor, labels: Tensor, *, num_steps: int, batch: int = 16, lr: float = 2e-4
) -> tuple[nn.Module, list[float]]:
    """A tiny loop over phases; images uint8 (N, C, H, W), labels one-hot (N, c_dim). Returns G_ema and G's losses."""
    loss = Loss(G, D)
    phases = [(name, part, torch.optim.Adam(part.parameters(), lr, (0.0, 0.99))) for name, part in (("D", D), ("G", G))]
    G_ema = copy.deepcopy(G).eval().requires_grad_(False)
    losses = []
    for step in range(num_steps):
        rows = torch.randint(len(images), (batch,))
        real = images[rows].float() / 127.5 - 1
        for name, module, optimizer in phases:
            for _, other, _ in phases:
                other.requires_grad_(other is module)
            optimizer.zero_grad(set_to_none=True)
            value = loss.accumulate_gradients(name, real, labels[rows], torch.randn(batch, G.z_dim))
            optimizer.step()
        losses.append(value)
        decay = min(0.999, (1 + step) / (10 + step))
        for mean, new in zip(G_ema.parameters(), G.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
        for mean, new in zip(G_ema.buffers(), G.buffers(), strict=True):
            mean.copy_(new)
    return G_ema, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", required=True, help="generator folder, or a run folder that holds one")
    parser.add_argument("--data", default="digits", help="images to train on, as for `degas train`")
    parser.add_argument("--num-steps", type=int, default=100)
    parser.add_argument("--out", default="runs/stylegan-convention", help="folder of the generator trained here")
    options = parser.parse_args()
    torch.manual_seed(0)
    folder = Path(options.generator)
    inside = folder / "train" / "generator"
    generator = degas.Generator.load(inside if inside.is_dir() else folder)
    G = StyleGanGenerator(generator.train())
    D = StyleGanCritic(G.c_dim, G.img_resolution, G.img_channels)
    data = load_images(options.data, DataSettings(image_size=G.img_resolution, channels=G.img_channels))
    images = torch.from_numpy(data.images[:])
    labels = torch.zeros(len(images), 0)
    if G.c_dim:
        labels = F.one_hot(torch.from_numpy(data.labels), G.c_dim).float()
    G_ema, losses = training_loop(G, D, images, labels, num_steps=options.num_steps)
    print(f"last generator loss {losses[-1]:.3f}")
    G_ema.generator.save(options.out)
    print(f"generator {options.out}")


if __name__ == "__main__":
    main()
