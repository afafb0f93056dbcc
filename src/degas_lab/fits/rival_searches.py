"""Rivals of differentiable search: random search and regularised evolution with the same GLO budget.

Every candidate is fitted alone by GLO for the same number of epochs; the budget is the number of fits. A fit is a trial
named by the candidate's edges and the seed, so that no architecture is fitted twice.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.glo.standalone import fit_record, fit_settings
from degas.nets.cost import architecture_cost
from degas.nets.extremes import extreme_edges
from degas.runtime.distributed import Engine
from degas.runtime.json_files import write_json
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab.figures import COLOURS, GREY, markdown, saved_figure, write_text
from degas_lab.fits import evolution
from degas_lab.fits.evolution import Edges, Fit, Proposal, distinct
from degas_lab.fits.rival_plan import Plan
from degas_lab.trials import Trials


class Baselines:
    """The measurement in `folder`: `trials/` holds one record per fit.

    `found`, if given, is fitted as well for comparison, and sets the sizes; else the settings do.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: SearchSettings,
        space: SpaceSettings,
        plan: Plan,
        folder: Path,
        *,
        engine: Engine,
        found: Architecture | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.images, self.settings, self.plan, self.folder = images, settings, plan, folder
        self.engine, self.found, self.say = engine, found, say
        self.space, base_size = space.resolve(images.image_size)
        sizes = (self.space.num_stages, self.space.num_normal, base_size, settings.width, settings.noise_size)
        orders = (space.separable_order, space.order)
        self.pattern = found or Architecture(*sizes, images.channels, self.space.draw(0), *orders)
        if found is not None:
            operations = (space.normal_operations, space.up_operations)
            self.space = SearchSpace(found.num_stages, found.num_normal, *operations, found.order)
        self._check_cap()
        sizes_of = {k: v for k, v in self.pattern.to_dict().items() if k not in ("nodes", "provenance")}
        shared = {"data": images.identity, "search": fit_settings(settings), "num_epochs": plan.num_epochs}
        self.trials = Trials(folder / "trials", {**shared, "sizes": sizes_of})

    def measure(self) -> None:
        """Make every missing fit: seed by seed, the found architecture first, then method by method."""
        for seed in self.seeds():
            if self.found is not None:
                self._fit(Proposal(self.found.edges, "drawn"), seed, "found")
            for method in self.plan.methods:
                self.history(method, seed, partial(self._fit, seed=seed, kind=None))

    def history(self, method: str, seed: int, evaluate: Callable[[Proposal], float] | None = None) -> list[Fit]:
        """The fits of a method in their order; without `evaluate`, only the finished ones."""
        propose = self._proposer(method, seed)
        if evaluate is not None:
            return distinct(evolution.run(propose, evaluate, self.plan.num_fits))
        finished = self.trials.records()

        def known(past: Sequence[Fit]) -> Proposal | None:
            proposal = propose(past)
            return proposal if proposal and trial_name(proposal.edges, seed) in finished else None

        def loss(proposal: Proposal) -> float:
            return loss_of(finished[trial_name(proposal.edges, seed)])

        return distinct(evolution.run(known, loss, self.plan.num_fits))

    def _proposer(self, method: str, seed: int) -> Callable[[Sequence[Fit]], Proposal | None]:
        if method == "random":
            return partial(evolution.propose_random, self.space, seed=seed, accept=self._accept)
        return partial(
            evolution.propose_evolution,
            self.space,
            seed=seed,
            accept=self._accept,
            population=self.plan.population,
            tournament=self.plan.tournament,
        )

    def seeds(self) -> range:
        return range(self.plan.seed, self.plan.seed + self.plan.seeds)

    def _fit(self, proposal: Proposal, seed: int, kind: str | None = None) -> float:
        kind = kind or {"drawn": "random", "child": "evolution"}[proposal.kind]
        architecture = replace(self.pattern, edges=proposal.edges, provenance={})

        def fit() -> dict[str, Any]:
            options: dict[str, Any] = {"seed": seed, "num_epochs": self.plan.num_epochs, "engine": self.engine}
            return {"kind": kind, "seed": seed, **fit_record(architecture, self.images, self.settings, **options)}

        name = trial_name(proposal.edges, seed)
        record = self.trials.run(name, fit)
        shown = "diverged" if record["loss"] is None else f"{record['loss']:.4f}"
        self.say(f"{kind:<10} {name:<18} loss {shown}   parameters {record['num_parameters']:,}")
        return loss_of(record)

    def _accept(self, edges: Edges) -> bool:
        return self.plan.max_params is None or self.parameters(edges) <= self.plan.max_params

    def parameters(self, edges: Edges) -> int:
        """Number of learned values of a candidate's generator."""
        return architecture_cost(replace(self.pattern, edges=edges)).num_parameters

    def _check_cap(self) -> None:
        least = self.parameters(extreme_edges(self.space, self.pattern.width, False))
        if self.plan.max_params is not None and least > self.plan.max_params:
            raise UserError(
                f"--max-params: the smallest architecture has {least:,} parameters; give at least that many, or "
                "a smaller --search.width"
            )


def loss_of(record: dict[str, Any]) -> float:
    """A trial's loss; infinite for a diverged fit, which so loses every comparison."""
    return math.inf if record["loss"] is None else float(record["loss"])


def trial_name(edges: Edges, seed: int) -> str:
    """A name from the edges, independent of their order, and the seed of the fit."""
    text = json.dumps(sorted((edge.target, edge.source, edge.operation) for edge in edges))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}-s{seed}"


def write_summary(measurement: Baselines, folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md`, `loss-against-fits.png` and `best-METHOD.json` from the finished trials."""
    records = measurement.trials.records()
    methods = {method: _describe(measurement, method, records, folder) for method in measurement.plan.methods}
    losses = (record["loss"] for record in records.values() if record["kind"] == "found")
    found = [loss for loss in losses if loss is not None]
    summary = {"max_params": measurement.plan.max_params, "methods": methods, "found": found}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    draw_curves(summary, folder / "loss-against-fits.png")
    return summary


def _describe(measurement: Baselines, method: str, records: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Curve and cost of each seed, and the best architecture, which is also written to a file."""
    runs, best = [], None
    for seed in measurement.seeds():
        history = measurement.history(method, seed)
        own = [records[trial_name(fit.edges, seed)] for fit in history]
        losses = [fit.loss for fit in history]
        runs.append(
            {
                "seed": seed,
                "losses": _plain(losses),
                "best": _plain(evolution.best_so_far(losses)),
                "num_parameters": [record["num_parameters"] for record in own],
                "processor_seconds": sum(record["processor_seconds"] for record in own),
            }
        )
        sound = [fit for fit in history if math.isfinite(fit.loss)]
        best = min([*sound, *([best] if best else [])], key=lambda fit: fit.loss, default=None)
    if best is not None:
        provenance = {"method": method, "num_epochs": measurement.plan.num_epochs, "loss": best.loss}
        architecture = replace(measurement.pattern, edges=best.edges, provenance=provenance)
        architecture.save(folder / f"best-{method}.json")
        return {"runs": runs, "best_loss": best.loss, "best_parameters": measurement.parameters(best.edges)}
    return {"runs": runs, "best_loss": None, "best_parameters": None}


def format_table(summary: dict[str, Any]) -> str:
    """One line per method and seed: fits, the best loss with its parameters, the processor time of the fits."""
    rows = []
    for method, entry in summary["methods"].items():
        for run in entry["runs"]:
            if run["best"] and run["best"][-1] is not None:
                place = run["losses"].index(run["best"][-1])
                cells = [f"{len(run['losses'])}", f"{run['best'][-1]:.4f}", f"{run['num_parameters'][place]:,}"]
                rows.append([method, f"{run['seed']}", *cells, f"{run['processor_seconds'] / 60:.1f}"])
    rows += [["found", "", "1", f"{loss:.4f}", "", ""] for loss in summary["found"]]
    return markdown(("method", "seed", "fits", "best loss", "its parameters", "processor minutes of its fits"), rows)


def draw_curves(summary: dict[str, Any], path: Path) -> None:
    """Draw the best loss so far against the number of fits: a dot per fit, a line per seed, a level for `found`."""
    with saved_figure(path, (6.0, 3.8)) as axes:
        one = axes[0, 0]
        for number, (method, entry) in enumerate(summary["methods"].items()):
            colour = COLOURS[number]
            for k, run in enumerate(entry["runs"]):
                fits = range(1, len(run["losses"]) + 1)
                one.plot(fits, _drawn(run["losses"]), ".", color=colour, alpha=0.3, markersize=4)
                label = method if k == 0 else None
                one.plot(
                    fits, _drawn(run["best"]), "-", color=colour, linewidth=1.8, label=label, drawstyle="steps-post"
                )
        for k, loss in enumerate(summary["found"]):
            one.axhline(loss, color=GREY, linestyle="--", linewidth=1.2, label="found" if k == 0 else None)
        one.set(xlabel="fits", ylabel="GLO loss; line: best so far")
        one.xaxis.get_major_locator().set_params(integer=True)
        if one.get_legend_handles_labels()[0]:
            one.legend(frameon=False)


def _plain(losses: Sequence[float]) -> list[float | None]:
    """The losses for JSON, which has no infinity: None for a diverged fit."""
    return [loss if math.isfinite(loss) else None for loss in losses]


def _drawn(losses: Sequence[float | None]) -> list[float]:
    """The losses for a picture: a gap for a diverged fit."""
    return [math.nan if loss is None else loss for loss in losses]
