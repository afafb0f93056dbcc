"""Training of the classifier extractor: one-cycle SGD, flips and shifts, label smoothing, a held-out split.

Recipe after Jordan 2024 (the numbers are our choice, sized for ten minutes on two cores; see docs/evidence/metrics.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from degas.data.image_set import ImageSet
from degas.data.loader import enough_epochs, split
from degas.errors import UserError
from degas.evaluation.extractors.classifier import (
    LABEL_SMOOTHING,
    VERSION,
    WIDTHS,
    ClassifierNetwork,
    save_classifier,
    to_pixels,
)
from degas.runtime.finite import FiniteWatch
from degas.runtime.progress import Progress
from degas.runtime.rng import forked_rng, numpy_generator, torch_generator
from degas.runtime.torch_state import plain_torch

HELD_OUT = 0.1  # share of the images that measure the accuracy and are not trained on
FEWEST_EPOCHS = 8
FEWEST_STEPS = 600  # small sets get more epochs
WHITENING_IMAGES = 500  # their patches fix the first layer
SHIFT_PIXELS = 2  # at 32 px; in proportion at other sizes


@plain_torch(keep_random_state=True)
def train_classifier(
    images: ImageSet,
    folder: Path,
    *,
    seed: int = 0,
    num_epochs: int | None = None,
    batch_images: int = 256,
    learning_rate: float = 0.5,
    horizontal_flip: bool | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> float:
    """Train on nine tenths of `images`, save to `folder`, return the accuracy (0…1) on the last tenth.

    `num_epochs` default: 8, or as many as make 600 steps. `horizontal_flip` default: only for colour images, since
    mirrored digits and letters differ. Raises `UserError` for images without labels or with a single class.
    """
    _check(images)
    num_held_out = round(images.num_images * HELD_OUT)
    train, held_out = split(images.num_images, num_held_out, seed=seed, purpose="classifier/split")
    batch_images = min(batch_images, len(train))
    steps_per_epoch = len(train) // batch_images
    num_epochs = num_epochs or enough_epochs(steps_per_epoch, fewest_epochs=FEWEST_EPOCHS, fewest_steps=FEWEST_STEPS)
    flip = images.channels == 3 if horizontal_flip is None else horizontal_flip
    network = _untrained(images, train, seed)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = _batches(images, train, batch_images, num_epochs, seed, flip)
    _train(network, batches, steps_per_epoch * num_epochs, learning_rate, precision, device, progress)
    accuracy = measure_accuracy(network, images, held_out, device)
    config: dict[str, Any] = {
        "version": VERSION,
        "channels": images.channels,
        "image_size": images.image_size,
        "class_names": list(images.class_names),
        "widths": list(WIDTHS),
        "held_out_accuracy": accuracy,
        "num_train": len(train),
        "num_held_out": len(held_out),
        "num_epochs": num_epochs,
        "precision": precision,
        "horizontal_flip": flip,
        "seed": seed,
        "data_fingerprint": images.fingerprint,
    }
    save_classifier(network.cpu(), config, folder)
    return accuracy


def _check(images: ImageSet) -> None:
    if images.labels is None or images.num_classes < 2:
        raise UserError(f"{images.source}: a classifier needs labelled images of two classes or more")
    if images.num_images < 20:
        raise UserError(f"{images.source}: {images.num_images} images are too few to train a classifier; 20 are needed")


def _untrained(images: ImageSet, train: np.ndarray, seed: int) -> ClassifierNetwork:
    """The network with new weights, and a first layer that whitens patches of some of the images `train` (n,)."""
    with forked_rng(seed, "classifier/init"):
        network = ClassifierNetwork(images.channels, images.num_classes)
    some = numpy_generator(seed, "classifier/whitening").permutation(train)[:WHITENING_IMAGES]
    network.set_whitening(to_pixels(torch.from_numpy(images.images[some])))
    return network


def _train(
    network: ClassifierNetwork,
    batches: Iterator[tuple[Tensor, Tensor]],
    num_steps: int,
    learning_rate: float,
    precision: str,
    device: torch.device | str,
    progress: bool,
) -> None:
    optimizer = optimizer_of(network, learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cycle(step, num_steps))
    kind = torch.device(device).type
    cast = torch.autocast(kind, torch.bfloat16) if precision == "bfloat16" else nullcontext()
    watch = FiniteWatch(_not_finite, deferred=False)
    network.train()
    with Progress("classifier", num_steps, quiet=not progress) as display:
        for step, (images, labels) in enumerate(batches, 1):
            with cast:
                loss = loss_of(network, images.to(device), labels.to(device))
            watch.add(step, {"loss": loss})
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            display.update(step, loss=float(loss.detach()))


def loss_of(
    network: ClassifierNetwork,
    images: Tensor,
    labels: Tensor,
    memory: torch.memory_format = torch.channels_last,
) -> Tensor:
    """The loss of a batch, (): uint8 images (N, C, H, W), which get the given layout, and labels (N,)."""
    pixels = to_pixels(images).contiguous(memory_format=memory)
    _, logits = network(pixels)
    return F.cross_entropy(logits.float(), labels, label_smoothing=LABEL_SMOOTHING)


def optimizer_of(network: ClassifierNetwork, learning_rate: float) -> torch.optim.SGD:
    """SGD with Nesterov momentum on all weights but the fixed first layer's."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return torch.optim.SGD(parameters, learning_rate, momentum=0.85, nesterov=True, weight_decay=5e-4)


def _not_finite(step: int, name: str, value: float) -> str:
    return f"classifier: the {name} is {value} at step {step}; lower learning_rate"


def cycle(step: int, num_steps: int) -> float:
    """Share of the peak learning rate at 0-based `step`: rises over the first quarter, then falls to almost 0."""
    warm = max(1, num_steps // 4)
    return min((step + 1) / warm, (num_steps - step) / max(1, num_steps - warm + 1))


def _batches(
    images: ImageSet, rows: np.ndarray, size: int, num_epochs: int, seed: int, flip: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """(uint8 (size, C, H, W), labels (size,)): shifted; half is mirrored, and every second epoch the other half."""
    assert images.labels is not None
    start_mirrored = numpy_generator(seed, "classifier/flip").random(images.num_images) < 0.5
    for epoch in range(num_epochs):
        order = numpy_generator(seed, "classifier/order", epoch).permutation(rows)
        generator = torch_generator(seed, "classifier/shift", epoch)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            batch = torch.from_numpy(images.images[chosen])
            if flip:
                mirrored = torch.from_numpy(start_mirrored[chosen] ^ bool(epoch % 2))
                batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
            yield shift(batch, generator), torch.from_numpy(images.labels[chosen])


def shift(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (N, C, H, W) moved by up to 2 px in 32 in each direction; edges are filled by reflection."""
    n, _, height, width = batch.shape
    reach = max(1, SHIFT_PIXELS * height // 32)
    padded = F.pad(batch.float(), [reach] * 4, mode="reflect").to(batch.dtype)
    offsets = torch.randint(0, 2 * reach + 1, (2, n), generator=generator)
    rows, columns = (offsets[i][:, None] + torch.arange(s) for i, s in enumerate((height, width)))
    # (N, H, W, C): the channel slice separates the index arrays (N, 1, 1), (N, H, 1), (N, 1, W)
    moved = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


@torch.inference_mode()
def measure_accuracy(
    network: ClassifierNetwork, images: ImageSet, rows: np.ndarray, device: torch.device | str = "cpu"
) -> float:
    """Share of the rows whose class the network finds (0…1); leaves it in evaluation mode."""
    assert images.labels is not None
    network.eval()
    right = 0
    for start in range(0, len(rows), 500):
        chosen = rows[start : start + 500]
        pixels = to_pixels(torch.from_numpy(images.images[chosen])).contiguous(memory_format=torch.channels_last)
        _, logits = network(pixels.to(device))
        right += int((logits.argmax(dim=1).cpu() == torch.from_numpy(images.labels[chosen])).sum())
    return right / len(rows)


def describe(config: dict[str, Any]) -> str:
    """One line for people: the classifier and its accuracy."""
    return (
        f"{len(config['class_names'])} classes, {config['num_train']} images, "
        f"held-out accuracy {100 * config['held_out_accuracy']:.1f} % ({config['num_held_out']} images)"
    )
