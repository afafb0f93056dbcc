"""Inversion: latents for given images, with a trained generator frozen (paper §2 on NAM; GLO's step on latents alone).

Each image's latent begins as the best of some draws from N(0, I) and takes steps of Adam on its reconstruction loss.
Rows do not affect each other: the generator normalises with its running statistics, and losses are summed over images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save
from torch import Tensor

from degas.data.image_set import ImageSet, check_size
from degas.data.pixels import to_symmetric, to_uint8
from degas.errors import UserError
from degas.figures.grids import save_grid
from degas.generator.generator import Generator
from degas.nas.glo.pictures import COLUMNS, stacked_rows
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.runtime.comparison import Rules, differences
from degas.runtime.durable import replace_file
from degas.runtime.json_files import read_config, write_json
from degas.runtime.progress import Progress
from degas.runtime.rng import torch_generator
from degas.runtime.schedules import half_cosine
from degas.settings.inversion import InvertSettings

NUM_SHOWN = 32
PARTS = "parts"


def invert(
    generator: Generator,
    images: ImageSet,
    folder: Path,
    settings: InvertSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> dict[str, Any]:
    """Invert every image into `folder`; return the object of errors.json.

    Files: latents.safetensors (`latents`, float32 (N, noise_size), in the order of the images), errors.json,
    reconstructions.png, config.json, and parts/, one file per finished batch, from which a stopped inversion continues.

    Raises `UserError` if sizes or classes of generator and images differ, or the folder holds another inversion.
    """
    check_size(images, generator)
    check_classes(generator, images)
    _begin(folder, generator, images, settings, seed)
    generator = generator.to(device).eval().requires_grad_(False)
    labels = torch.from_numpy(images.labels).to(device) if generator.num_classes and images.labels is not None else None
    parts = {k: folder / PARTS / f"{k:09d}.safetensors" for k in range(0, images.num_images, settings.batch_images)}
    missing = {start: path for start, path in parts.items() if not path.exists()}
    done = len(parts) - len(missing)
    with Progress("invert", len(parts), start_step=done, quiet=not progress) as bar:
        for number, (start, path) in enumerate(missing.items(), done + 1):
            rows = slice(start, min(start + settings.batch_images, images.num_images))
            real_images = torch.from_numpy(np.array(images.images[rows])).to(device)
            found = invert_batch(generator, real_images, None if labels is None else labels[rows], settings, seed)
            replace_file(path, save({name: value.cpu().numpy() for name, value in found.items()}))
            bar.update(number)
    return _finish(folder, generator, images, labels)


def invert_batch(
    generator: Generator, real_images: Tensor, labels: Tensor | None, settings: InvertSettings, seed: int
) -> dict[str, Tensor]:
    """`latents` (B, d), `loss` (B,) and `squared_error` (B,) for uint8 images (B, C, H, W); the generator is frozen.

    Squared error is the mean over pixels and channels, in [−1, 1].
    """
    target = to_symmetric(real_images)
    latents = nearest_draws(generator, target, labels, settings.num_starts, seed).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=settings.lr)
    for step in range(settings.num_steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * half_cosine(step, settings.num_steps)
        optimizer.zero_grad(set_to_none=True)
        fake_images = generator(latents, labels)
        # The terms are means over the batch, so times its size they are sums over images.
        (len(target) * sum_of(reconstruction_terms(fake_images, target, settings.loss))).backward()
        optimizer.step()
    with torch.no_grad():
        fake_images = generator(latents, labels)
        square = (fake_images - target).square().flatten(1).mean(1)
        pairs = zip(fake_images.split(1), target.split(1), strict=True)
        loss = torch.stack([sum_of(reconstruction_terms(fake, real, settings.loss)) for fake, real in pairs])
    return {"latents": latents.detach(), "loss": loss, "squared_error": square}


@torch.no_grad()
def nearest_draws(
    generator: Generator, target: Tensor, labels: Tensor | None, num_starts: int, seed: int, chunk: int = 64
) -> Tensor:
    """(B, d): for each image of `target` (B, C, H, W) the draw whose image has the least squared error."""
    draws = torch.randn(num_starts, generator.noise_size, generator=torch_generator(seed, "inversion"))
    draws = draws.to(target.device)
    best = torch.full((len(target),), torch.inf, device=target.device)
    chosen = draws[:1].expand(len(target), -1).clone()
    for some in draws.split(chunk):
        for kind in [None] if labels is None else labels.unique().tolist():
            rows = slice(None) if kind is None else labels == kind
            given = None if kind is None else torch.full((len(some),), kind, device=target.device)
            made = generator(some, given).flatten(1)  # (K, P)
            distances = torch.cdist(target[rows].flatten(1), made)  # (b, K)
            least, index = distances.min(1)
            nearer = least < best[rows]
            best[rows] = torch.where(nearer, least, best[rows])
            chosen[rows] = torch.where(nearer[:, None], some[index], chosen[rows])
    return chosen


def sum_of(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def check_classes(generator: Generator, images: ImageSet) -> None:
    """Raise `UserError` if a conditional generator cannot take the images' labels."""
    if generator.num_classes and (images.labels is None or images.num_classes != generator.num_classes):
        raise UserError(
            f"{images.source}: the generator has {generator.num_classes} classes and the images {images.num_classes}; "
            f"give images with the same classes, or an unconditional generator"
        )


def _begin(folder: Path, generator: Generator, images: ImageSet, settings: InvertSettings, seed: int) -> None:
    """Write config.json, or check that the folder's inversion is this one."""
    from degas.runtime.fingerprint import fingerprint_of

    config = {
        "kind": "inversion",
        "data": images.identity,
        "generator": fingerprint_of(generator),
        "seed": seed,
        "invert": settings.model_dump(mode="json"),
    }
    path = folder / "config.json"
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    rules = Rules(frozenset(["data.source"]))
    if path.exists() and (why := differences(read_config(path), config, rules)):
        raise UserError(f"{folder}: holds another inversion: {why}; give another --out")
    write_json(path, config)


def _finish(folder: Path, generator: Generator, images: ImageSet, labels: Tensor | None) -> dict[str, Any]:
    """Write latents, errors and the picture from the finished parts."""
    parts = [load_file(path) for path in sorted((folder / PARTS).glob("*.safetensors"))]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    replace_file(folder / "latents.safetensors", save({"latents": found["latents"]}))
    mean = images.images.mean(axis=0, dtype=np.float64) / 127.5 - 1.0
    of_mean = np.mean([np.mean((image / 127.5 - 1.0 - mean) ** 2) for image in _each(images)])
    errors = {
        "data": images.identity,
        "num_images": images.num_images,
        "mean_loss": float(found["loss"].mean()),
        "mean_squared_error": float(found["squared_error"].mean()),
        "mean_image_squared_error": float(of_mean),
        "squared_errors": [float(value) for value in found["squared_error"]],
    }
    _save_picture(folder / "reconstructions.png", generator, images, found["latents"], labels)
    write_json(folder / "errors.json", errors)
    return errors


def _each(images: ImageSet) -> Iterator[np.ndarray]:
    return (np.asarray(image, np.float64) for image in images.images)


@torch.no_grad()
def _save_picture(
    path: Path, generator: Generator, images: ImageSet, latents: np.ndarray, labels: Tensor | None
) -> None:
    index = np.linspace(0, images.num_images - 1, min(NUM_SHOWN, images.num_images)).round().astype(int)
    device = next(generator.parameters()).device
    chosen = None if labels is None else labels[torch.from_numpy(index).to(labels.device)]
    fake_images = to_uint8(generator(torch.from_numpy(latents[index]).to(device), chosen)).cpu().numpy()
    save_grid(stacked_rows(images.images[index], fake_images), path, columns=min(COLUMNS, len(index)))
