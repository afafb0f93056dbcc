"""What a finished search writes: the pruned architecture, how it was decided, reconstructions and samples."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from degas.data.pixels import to_uint8
from degas.errors import UserError
from degas.figures.grids import save_grid
from degas.nas.decide.capped import Budget, prune_capped
from degas.nas.decide.perturbation import LOSSES_COMPARE, Perturbation, values_of
from degas.nas.glo.glo import Glo
from degas.nas.glo.latents import LatentGaussian
from degas.nas.supernet.supernet import Supernet
from degas.runtime.rng import torch_generator
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import MEASURING, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace
from degas.space.pruning import Alpha, choices, decisions, prune, prune_darts

COLUMNS = 16


def write_results(
    folder: StageFolder,
    glo: Glo,
    supernet: Supernet,
    space: SpaceSettings,
    *,
    base_size: int,
    step: int,
    budget: Budget | None = None,
    perturbation: Perturbation | None = None,
) -> Architecture:
    """Write every result of a search of `step` steps, prune, and return the architecture.

    A second call from the same checkpoint writes the same bytes again. `budget` holds the caps, if there are any;
    `perturbation` is what measures the supernet for a rule of losses, last of all, since its steps may change it.

    Raises `UserError` when the pruning rule leaves no generator to build (the `darts` ablation); α and pruning.json
    are written even then.
    """
    settings, graph = glo.settings, supernet.space
    glo.recalibrate()
    if glo.engine.is_main:
        save_reconstructions(glo, folder.path / "reconstructions.png")
        save_samples(glo, folder.path / "glo_samples.png")
        for name in ("reconstructions", "glo_samples"):
            folder.track_picture(step, name, folder.path / f"{name}.png")
    perturbed = perturbation.measure(settings.zero_rule) if perturbation is not None else None
    values = supernet.alpha_by_name() if perturbed is None else values_of(perturbed.losses, settings.prune)
    report = pruning_report(values, graph, settings, budget)
    if perturbed is not None:
        differing = _differing(supernet.alpha_by_name(), values, graph, settings)
        report["perturbation"] = {**vars(perturbed), "by_alpha": differing}
    folder.write_json("pruning.json", report)
    architecture = Architecture(
        num_stages=graph.num_stages,
        num_normal=graph.num_normal,
        base_size=base_size,
        width=settings.width,
        noise_size=settings.noise_size,
        channels=glo.images.channels,
        edges=pruned_edges(values, graph, settings, budget),
        separable_order=space.separable_order,
        order=graph.order,
        provenance=_provenance(glo, space),
    )
    if glo.engine.is_main:
        architecture.save(folder.path / "architecture.json")
    glo.engine.wait()
    return architecture


def pruning_rules(settings: SearchSettings) -> dict[str, Any]:
    """`compare` and `zero_rule` for the values that the settings' rule goes by."""
    compare = LOSSES_COMPARE if settings.prune in MEASURING else settings.compare
    return {"compare": compare, "zero_rule": settings.zero_rule}


def pruned_edges(
    values: Alpha, space: SearchSpace, settings: SearchSettings, budget: Budget | None = None
) -> tuple[Edge, ...]:
    """The edges that the settings' rule keeps by `values`: α, or for a rule of losses what those are worth.

    Raises `UserError` where the `darts` ablation disconnects the graph.
    """
    rules = pruning_rules(settings)
    if settings.prune == "darts":
        found = prune_darts(values, space)
        if found.disconnected:
            raise UserError(
                f"search: the darts pruning rule cuts off {', '.join(found.disconnected)}, so there is no generator to "
                f"build (pruning.json says what it kept); use --search.prune paper"
            )
        return found.edges
    return prune(values, space, **rules) if budget is None else prune_capped(values, space, budget, **rules)


def standing(alpha: Alpha, space: SearchSpace, settings: SearchSettings, budget: Budget | None = None) -> str:
    """What the paper's rule would keep now, in one line: `N1 conv_3x3 · U1 deconv_6x6 + deconv_4x4(U0) · …`."""
    edges = pruned_edges(alpha, space, settings.model_copy(update={"prune": "paper"}), budget)
    terms: dict[str, list[str]] = {}
    for edge in edges:
        known = terms.setdefault(edge.target, [])
        known.append(f"{edge.operation}({edge.source})" if known else edge.operation)
    return " · ".join(f"{node} {' + '.join(kept)}" for node, kept in terms.items())


def pruning_report(
    values: Alpha, space: SearchSpace, settings: SearchSettings, budget: Budget | None = None
) -> dict[str, Any]:
    """Every decision of the paper's rule with its margin, and what DARTS' rule would keep and cut off.

    With a budget also `cap`: what the cap made of these decisions, which are those without it. With a rule of
    losses, nothing of DARTS' rule and of other ways to compare α.
    """
    rules = pruning_rules(settings)
    found = [{"name": decision.name, **vars(decision)} for decision in decisions(values, space, **rules)]
    report: dict[str, Any] = {"rule": settings.prune, **rules, "decisions": found}
    if settings.prune in MEASURING:
        report["decisions"] = [{**decision, "differs_under": ()} for decision in found]
    else:
        darts = prune_darts(values, space)
        report["darts"] = {"edges": [vars(edge) for edge in darts.edges], "disconnected": darts.disconnected}
    return report if budget is None else {**report, "cap": _cap_report(values, space, budget, rules)}


def _differing(alpha: Alpha, values: Alpha, space: SearchSpace, settings: SearchSettings) -> dict[str, str]:
    """Decision name → what the paper's rule chooses by α, where that is not what it chooses by the losses."""
    by_alpha = choices(prune(alpha, space, zero_rule=settings.zero_rule), space)
    chosen = choices(prune(values, space, **pruning_rules(settings)), space)
    return {name: choice for name, choice in by_alpha.items() if choice != chosen[name]}


def _cap_report(values: Alpha, space: SearchSpace, budget: Budget, rules: dict[str, Any]) -> dict[str, Any]:
    """The caps, what the architecture costs within them and would without, and the decisions they changed."""
    capped, freely = prune_capped(values, space, budget, **rules), prune(values, space, **rules)
    chosen, otherwise = choices(capped, space), choices(freely, space)
    return {
        "max_params": budget.max_params,
        "max_macs": budget.max_macs,
        **vars(budget.cost(capped)),
        "without_cap": vars(budget.cost(freely)),
        "changed": {name: choice for name, choice in chosen.items() if choice != otherwise[name]},
    }


@torch.no_grad()
def save_reconstructions(glo: Glo, path: Path, num_images: int = 32) -> None:
    """A row of originals above the row of their reconstructions, images evenly spread over the set.

    Batch norms must have been recalibrated.
    """
    num_images = min(num_images, glo.images.num_images)
    index = np.linspace(0, glo.images.num_images - 1, num_images).round().astype(int)
    latents = glo.table.rows[torch.from_numpy(index).to(glo.engine.device)]
    glo.network.eval()
    fake_images = to_uint8(glo.network(latents)).cpu().numpy()  # (n, C, H, W)
    glo.network.train()
    real_images = glo.images.images[index]
    rows: list[np.ndarray] = []
    for start in range(0, num_images, COLUMNS):
        for images in (real_images, fake_images):
            row = images[start : start + COLUMNS]
            blank = np.full((min(COLUMNS, num_images) - len(row), *row.shape[1:]), 255, dtype=np.uint8)
            rows += [row, blank]
    save_grid(np.concatenate(rows), path, columns=min(COLUMNS, num_images))


@torch.no_grad()
def save_samples(glo: Glo, path: Path, num_images: int = 64) -> None:
    """New images from a Gaussian fitted to the latents and projected like them."""
    generator = torch_generator(glo.seed, "glo samples")
    latents = LatentGaussian.fit(glo.table.rows).sample(num_images, generator).to(glo.engine.device)
    glo.network.eval()
    images = to_uint8(glo.network(latents)).cpu()
    glo.network.train()
    save_grid(images, path, columns=COLUMNS)


def _provenance(glo: Glo, space: SpaceSettings) -> dict[str, Any]:
    """Where an architecture came from; no time and no path."""
    images = glo.images
    return {
        "method": "search",
        "seed": glo.seed,
        "data": {
            "fingerprint": images.fingerprint,
            "num_images": images.num_images,
            "image_size": images.image_size,
        },
        "search": glo.settings.model_dump(mode="json"),
        "space": space.model_dump(mode="json"),
        "degas": _package_version(),
    }


def _package_version() -> str:
    try:
        return importlib.metadata.version("degas-nas")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
