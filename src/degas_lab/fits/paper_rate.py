"""The paper's SGD: which rates and which momentum train a search, and where the latents' gradient vanishes otherwise.

The paper's search uses SGD at rate 0.3 for CIFAR-10, and random latents. Read literally, with DARTS' momentum of 0.9 on
the weights and the same rate for the latents, it does not train; with the optimiser of GLO's code, it does. Each trial
searches with one choice of rates. It records the loss of every epoch, in which each latent is visited once, and, at a
few steps, at every place from the latents to the image: the size of the gradient, the share of it that is exactly 0,
and the difference of activations between images.

    degas experiment paper-rate --data FOLDER --out DIR [--num-images 3200] [--seed 0] [--only NAME ...]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from degas.data.image_set import ImageSet
from degas.nas.glo.glo import Glo, mean_image_loss
from degas.nas.signal import total, weight_optimizer
from degas.nas.state import Search
from degas.nas.supernet.supernet import MixedBackbone
from degas.nets.normalisation import frozen_buffers
from degas.runtime.comparison import Rules
from degas.runtime.distributed import Engine
from degas.settings.presets import PRESETS
from degas.settings.sections import SearchSettings, SpaceSettings
from degas_lab.trials import SAME_TRIALS, Trials

SIZE = {"width": 32, "num_epochs": 4}  # of the first measurements, whose settings.json does not give it
PAPER = {**PRESETS["paper-literal"]["search"], **SIZE}
ADAM = {  # our defaults
    name: SearchSettings.model_fields[name].default
    for name in ("weight_optimizer", "weight_lr", "weight_lr_min", "weight_decay", "latent_optimizer", "latent_lr")
}
STILL_NORM = "still_norm"  # not a setting: keeps scale and shift of the last batch norm at 1 and 0
TRIALS: dict[str, dict[str, Any]] = {  # changes of each trial to the paper's settings
    "literal": {},
    "latents-10x": {"latent_lr": 3.0},
    "latents-100x": {"latent_lr": 30.0},
    "latents-1000x": {"latent_lr": 300.0},
    "pca": {"latent_init": "pca"},
    "pca-latents-100x": {"latent_init": "pca", "latent_lr": 30.0},
    "tenth": {"weight_lr": 0.03, "latent_lr": 0.03},
    "tenth-latents-100x": {"weight_lr": 0.03, "latent_lr": 3.0},
    "tenth-latents-1000x": {"weight_lr": 0.03, "latent_lr": 30.0},
    "no-momentum": {"weight_momentum": 0.0},
    "glo": {"weight_momentum": 0.0, "latent_lr": 3.0},  # the preset `paper`
    "glo-latents-33x": {"weight_momentum": 0.0, "latent_lr": 10.0},
    "tenth-glo": {"weight_momentum": 0.0, "weight_lr": 0.03, "latent_lr": 0.3},  # the same for STL-10 and CelebA
    "still-norm": {STILL_NORM: True},
    "still-norm-latents-100x": {STILL_NORM: True, "latent_lr": 30.0},
    "adam-random": dict(ADAM),
    "default": {**ADAM, "latent_init": "pca"},
}
RULES = Rules(SAME_TRIALS.ignored, SIZE, SAME_TRIALS.sentences)
PROBED_STEPS = (0, 5, 10, 20, 30, 40, 50, 75, 100, 150, 199)
LAST_STEPS = 20  # the loss of a trial is the mean of this many


def run_trial(changes: dict[str, Any], images: ImageSet, *, seed: int, engine: Engine) -> dict[str, Any]:
    """Search with the literal settings and these `changes`; return final losses, and the records during the search."""
    settings = trial_settings(changes)
    search = Search(images, settings, SpaceSettings(separable_order="darts"), seed=seed, engine=engine)
    if changes.get(STILL_NORM):
        hold_last_norm(search)
    history, losses, epochs = [], [], []
    for step in range(search.total_steps):
        if step in PROBED_STEPS or step == search.total_steps - 1:
            history.append({"step": step, **probe(search, step)})
        terms = search.step(step)
        losses.append((float(terms["l2"] + terms["lap1"]), float(terms["l2"])))
        if (step + 1) % search.steps_per_epoch == 0:
            epochs.append(search.take_epoch_loss())
    loss, square = torch.tensor(losses[-LAST_STEPS:]).mean(0).tolist()
    mean_image = mean_image_loss(images, settings, engine.device)
    record = {"changes": changes, "loss": loss, "l2": square, "mean_image_loss": mean_image}
    return {**record, "epoch_losses": epochs, "history": history}


def trial_settings(changes: dict[str, Any]) -> SearchSettings:
    """The paper's literal settings with a trial's changes."""
    return SearchSettings(**{**PAPER, **{name: value for name, value in changes.items() if name != STILL_NORM}})


def hold_last_norm(search: Search) -> None:
    """Exclude scale and shift of the last batch norm from the fitted weights."""
    held = {id(parameter) for parameter in search.supernet.backbone.norm.parameters()}
    search.signal.weights = [weight for weight in search.signal.weights if id(weight) not in held]
    search.signal.optimizer = weight_optimizer(search.signal.weights, search.settings)


def probe(search: Search, step: int) -> dict[str, Any]:
    """Record activations and gradients at each place, by the passes of a weight step that changes nothing."""
    backbone, batch = search.supernet.backbone, search.weight_batches(step)
    assert isinstance(search.signal, Glo)
    latents = search.signal.table.batch(batch.index.to(search.engine.device))
    with kept_places(backbone) as places:
        latents.retain_grad()
        places["latents"] = latents
        search.alpha_step.require_gradients(weights=True, alphas=False)
        with frozen_buffers(search.supernet):
            total(search.signal.terms(latents, batch)).backward()
    search.supernet.zero_grad(set_to_none=True)
    rectified = places["last ReLU"]
    scale, shift = backbone.norm.weight, backbone.norm.bias
    assert scale is not None
    assert shift is not None
    return {
        "positive_share_of_last_relu": float((rectified > 0).float().mean()),
        "dead_channels_of_last_relu": int((rectified.amax(dim=(0, 2, 3)) == 0).sum()),
        "last_bn_scale": float(scale.detach().abs().mean()),
        "last_bn_shift": float(shift.detach().mean()),
        "places": {name: describe(tensor) for name, tensor in places.items()},
    }


@contextmanager
def kept_places(backbone: MixedBackbone) -> Iterator[dict[str, Tensor]]:
    """Keep the tensors (B, …) of a pass inside the block, with their gradients: place → tensor, in the pass's order."""
    places: dict[str, Tensor] = {}

    def keep(name: str, tensor: Tensor) -> None:
        tensor.retain_grad()
        places[name] = tensor

    def keep_norm(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        keep("last BN", output)
        return output.clone()  # the next ReLU works in place, so it gets a copy

    hooks = [
        value.register_forward_pre_hook(lambda module, inputs, node=node: keep(node, inputs[0]))
        for node, value in backbone.values.items()
    ]
    hooks.append(backbone.norm.register_forward_pre_hook(lambda module, inputs: keep(backbone.last, inputs[0])))
    hooks.append(backbone.norm.register_forward_hook(keep_norm))
    hooks.append(backbone.to_image.register_forward_pre_hook(lambda module, inputs: keep("last ReLU", inputs[0])))
    try:
        yield places
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def describe(tensor: Tensor) -> dict[str, float]:
    """Gradient and activations (B, …) at a place: ‖∇‖, its share of zeros, the difference between images."""
    assert tensor.grad is not None
    return {
        "gradient_norm": float(tensor.grad.norm()),
        "zero_share": float((tensor.grad == 0).float().mean()),
        "spread_over_images": float((tensor - tensor.mean(0)).square().mean().sqrt()),
    }


def format_table(records: dict[str, dict[str, Any]]) -> str:
    """Markdown: one line per trial."""
    lines = [
        "| trial | weights | latents | loss | squared error | loss / mean image's | last ReLU positive "
        "| dead channels | latent gradient |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in (name for name in TRIALS if name in records):
        record, last = records[name], records[name]["history"][-1]
        settings = trial_settings(record["changes"])
        momentum = f", momentum {settings.weight_momentum:g}" if settings.weight_optimizer == "sgd" else ""
        cells = [
            name,
            f"{settings.weight_optimizer} {settings.weight_lr:g}{momentum}",
            f"{settings.latent_optimizer} {settings.latent_lr:g}, {settings.latent_init}",
            f"{record['loss']:.3f}",
            f"{record['l2']:.3f}",
            f"{record['loss'] / record['mean_image_loss']:.3f}",
            f"{last['positive_share_of_last_relu']:.3f}",
            f"{last['dead_channels_of_last_relu']} of {settings.width}",
            f"{last['places']['latents']['gradient_norm']:.2g}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def measure(
    images: ImageSet,
    folder: Path,
    names: Sequence[str],
    *,
    seed: int,
    width: int = SIZE["width"],
    num_epochs: int = SIZE["num_epochs"],
    say: Callable[[str], None] = print,
) -> dict[str, dict[str, Any]]:
    """The named trials, one JSON file each in `folder`; finished ones are read, not made again."""
    size = {"width": width, "num_epochs": num_epochs}
    head = {"data": images.fingerprint, "num_images": images.num_images, "seed": seed}
    trials = Trials(folder, {**head, **size}, RULES)
    engine = Engine(device="auto")
    makers = {name: partial(run_trial, {**size, **TRIALS[name]}, images, seed=seed, engine=engine) for name in names}
    trials.make_ahead(makers)
    for name, make in makers.items():
        record = trials.run(name, make)
        share, last = record["loss"] / record["mean_image_loss"], record["history"][-1]
        say(
            f"{name:<20} loss {record['loss']:.4f}, {share:.3f} of the mean image's   "
            f"last ReLU positive {last['positive_share_of_last_relu']:.3f}"
        )
    return trials.records()
