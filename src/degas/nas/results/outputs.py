"""The files of a finished search: pictures, decisions, the pruned architecture, problems."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from degas.nas.decide.by_alpha import ByAlpha
from degas.nas.decide.capped import Budget
from degas.nas.decide.rule import Searched, Values
from degas.nas.polish.polish import polish
from degas.nas.results.inspection import write_degenerate
from degas.nas.searched_space import prefix_provenance
from degas.nas.state import Search
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import Alpha


def write_results(folder: StageFolder, search: Search, step: int, *, progress: bool = False) -> Architecture:
    """Write every result of a search of `step` steps, prune, polish if asked, and return the architecture.

    A second call from the same checkpoint writes the same bytes. The rule runs after the pictures, since it may change
    the supernet (`perturbation_tune_steps`).

    Raises `UserError` if the pruning rule leaves no generator to build (the `darts` ablation); α and pruning.json are
    written even then.
    """
    signal, engine = search.signal, search.engine
    search.relaxation.finish(step)
    findings = []
    if engine.is_main:
        findings = signal.findings(search.weight_batches, step, read_jsonl(folder.path / "metrics.jsonl"))
    signal.write_pictures(folder, step)
    values = search.rule.values(searched(search, step))
    architecture = write_architecture(folder, search, values)
    if search.settings.polish:
        architecture = _polished(folder, architecture, search, values, progress=progress)
    if engine.is_main:
        write_degenerate(
            folder,
            findings,
            search.rule,
            architecture.edges,
            values=values.compared,
            alphas=[search.alpha_start, *search.alpha_history],
            alpha_lr=search.settings.alpha_lr,
            num_steps=step,
        )
    return architecture


def write_architecture(folder: StageFolder, search: Search, values: Values) -> Architecture:
    """Write pruning.json and architecture.json: the decisions of the rule on `values`."""
    rule, settings, graph = search.rule, search.settings, search.space
    folder.write_json("pruning.json", rule.report(values.compared, values.told, search.supernet.left_by_name()))
    architecture = Architecture(
        num_stages=graph.num_stages,
        num_normal=graph.num_normal,
        base_size=search.base_size,
        width=settings.width,
        noise_size=settings.noise_size,
        channels=search.images.channels,
        edges=rule.keep(values.compared),
        separable_order=search.space_settings.separable_order,
        order=graph.order,
        provenance=_provenance(search),
    )
    if search.engine.is_main:
        architecture.save(folder.path / "architecture.json")
    search.engine.wait()
    return architecture


def _polished(
    folder: StageFolder, found: Architecture, search: Search, values: Values, *, progress: bool
) -> Architecture:
    """Polish what the search found, and replace its architecture.json."""
    architecture = polish(
        folder,
        found,
        values.compared,
        search.rule,
        search.images,
        search.settings,
        seed=search.seed,
        engine=search.engine,
        progress=progress,
    )
    if search.engine.is_main:
        architecture.save(folder.path / "architecture.json")
    search.engine.wait()
    return architecture


def searched(search: Search, step: int) -> Searched:
    """Return the search's state for its rule, which measures on batches of α's images."""
    return Searched(
        search.supernet,
        search.signal,
        search.make_batches("search perturbation", search.alpha_rows),
        search.weight_batches,
        step,
        search.alpha_step.penalties.shares,
    )


def standing(alpha: Alpha, space: SearchSpace, settings: SearchSettings, budget: Budget | None = None) -> str:
    """Return the current choices of the paper's rule in one line: `N1 conv_3x3 · U1 deconv_6x6 + deconv_4x4(U0) · …`.

    Given edges are left out.
    """
    terms: dict[str, list[str]] = {}
    for edge in ByAlpha(settings, space, budget).keep(alpha)[len(space.prefix) :]:
        known = terms.setdefault(edge.target, [])
        known.append(f"{edge.operation}({edge.source})" if known else edge.operation)
    return " · ".join(f"{node} {' + '.join(kept)}" for node, kept in terms.items())


def _provenance(search: Search) -> dict[str, Any]:
    """Return the provenance of an architecture, without times or paths."""
    images = search.images
    return {
        "method": "search",
        "seed": search.seed,
        "data": {
            "fingerprint": images.fingerprint,
            "num_images": images.num_images,
            "image_size": images.image_size,
        },
        "search": {name: value for name, value in search.settings.as_config().items() if name != "prefix"},
        **prefix_provenance(search.prefix),
        "space": search.space_settings.model_dump(mode="json"),
        "degas": _package_version(),
    }


def _package_version() -> str:
    try:
        return importlib.metadata.version("degas-nas")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
