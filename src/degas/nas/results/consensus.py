"""The consensus of several searches: from their folders to one architecture, its α and their agreement.

Searches are read from their files, so that a finished one is not repeated.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.nas.decide.rule import Rule
from degas.nas.results.agreement import agreement, mean_alpha
from degas.nas.results.degenerate import parameter_free, without_residuals
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace
from degas.space.pruning import Alpha, Left, choices

LastStep = Callable[[StageFolder, Architecture, Alpha], Architecture]  # folder, consensus, mean values → the result


@dataclass(frozen=True)
class Found:
    """The results of one finished search, from its folder."""

    seed: int
    architecture: Architecture
    alpha: list[dict[str, Any]]  # records of alpha.jsonl: step, epoch, edge name → {operation name: α}
    values: Alpha  # the values that the pruning rule compared: the last α, or signed losses
    losses: dict[int, float]  # epoch → mean loss
    degenerate: list[dict[str, Any]]
    left: Left  # the operations that had left the search


def read_search(folder: Path, seed: int, rule: Rule) -> Found:
    """Read the folder of a search that pruned by `rule`; raises `UserError` if a file is missing or damaged."""
    alpha = read_jsonl(folder / "alpha.jsonl")
    if not alpha:
        raise UserError(f"{folder / 'alpha.jsonl'}: holds no α; remove the folder {folder} and --resume")
    metrics = read_jsonl(folder / "metrics.jsonl")
    losses = {record["epoch"]: record["epoch_loss"] for record in metrics if "epoch_loss" in record}
    pruning, degenerate = (_read_json(folder / f"{name}.json") for name in ("pruning", "degenerate"))
    values = rule.read(pruning, {name: value for name, value in alpha[-1].items() if isinstance(value, dict)})
    return Found(
        seed,
        Architecture.load(folder / "architecture.json"),
        alpha,
        values,
        losses,
        degenerate,
        pruning.get("left", {}),
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot be read as JSON; remove the folder {path.parent} and --resume") from None


def write_consensus(
    folder: StageFolder, searches: Sequence[Found], rule: Rule, last_step: LastStep | None = None
) -> Architecture:
    """Write the consensus of several searches into `folder`, and return the architecture, that of `last_step` if given.

    Files: architecture.json, pruned within the budget from the rule's values, averaged over the searches; alpha.jsonl
    and metrics.jsonl, means by epoch (a search that settled earlier counts with its last α); pruning.json, the
    consensus' decisions with their margins; agreement.json; degenerate.json. Each call writes the same bytes. Raises
    `UserError` if the `darts` rule leaves the graph of the mean disconnected.
    """
    space, mean = rule.space, mean_alpha([found.values for found in searches])
    folder.truncate_logs(-1)
    for record in mean_records(searches, space):
        folder.append("alpha.jsonl", record)
    for record in loss_records(searches):
        folder.log_metrics(**record)
    folder.write_json("pruning.json", rule.report(mean, left=_left_by_all(searches)))
    edges = rule.keep(mean)
    folder.write_json(
        "agreement.json", {**_agreement(searches, edges, rule), **consensus_without(searches, edges, rule)}
    )
    architecture = dataclasses.replace(
        searches[0].architecture, edges=edges, provenance=_provenance([found.architecture for found in searches])
    )
    if last_step is not None:
        architecture = last_step(folder, architecture, mean)
    found = degenerate_records(searches, mean, architecture.edges, space, by_losses=bool(rule.measured))
    folder.write_json("degenerate.json", found)
    if folder.writes:
        architecture.save(folder.path / "architecture.json")
    return architecture


def mean_records(searches: Sequence[Found], space: SearchSpace) -> list[dict[str, Any]]:
    """Mean α per epoch, for the epochs of the longest search, whose `step` is used."""
    longest = max((found.alpha for found in searches), key=len)
    return [
        {
            "step": record["step"],
            "epoch": record["epoch"],
            **mean_alpha([_edges_of(found.alpha[min(k, len(found.alpha) - 1)], space) for found in searches]),
        }
        for k, record in enumerate(longest)
    ]


def loss_records(searches: Sequence[Found]) -> list[dict[str, Any]]:
    """Mean loss of each epoch, and its standard deviation over the searches that reached it."""
    longest = max((found.alpha for found in searches), key=len)
    records = []
    for record in longest:
        losses = [found.losses[record["epoch"]] for found in searches if record["epoch"] in found.losses]
        if losses:
            spread = {"loss_std": statistics.stdev(losses)} if len(losses) > 1 else {}
            records.append(
                {"step": record["step"], "epoch": record["epoch"], "loss": statistics.fmean(losses), **spread}
            )
    return records


def degenerate_records(
    searches: Sequence[Found], values: Alpha, edges: tuple[Edge, ...], space: SearchSpace, *, by_losses: bool = False
) -> list[dict[str, Any]]:
    """Return the records of problems in each search, with its seed, and in the consensus."""
    records = [
        {**record, "seed": found.seed, "warning": f"seed {found.seed}: {record['warning']}"}
        for found in searches
        for record in found.degenerate
    ]
    together = [parameter_free(edges, space), without_residuals(values, edges, space, by_losses=by_losses)]
    for finding in together:
        if finding is not None:
            records.append({**finding.as_json(), "warning": f"consensus: {finding.line}"})
    return records


def consensus_without(searches: Sequence[Found], consensus: tuple[Edge, ...], rule: Rule) -> dict[str, Any]:
    """Count the consensus's decisions that stay without one seed, for `agreement.json`.

    `consensus_without`, seed → number of decisions; `mean_consensus_without`, their mean. Two searches have neither,
    since one alone is no consensus. None: without this seed the rule disconnects the graph.
    """
    if len(searches) < 3:
        return {}
    whole = choices(consensus, rule.space)
    kept: dict[str, int | None] = {}
    for left_out in searches:
        rest = mean_alpha([found.values for found in searches if found is not left_out])
        try:
            made = choices(rule.keep(rest), rule.space)
        except UserError:  # the `darts` rule
            kept[str(left_out.seed)] = None
        else:
            kept[str(left_out.seed)] = sum(made[name] == whole[name] for name in whole)
    counts = [count for count in kept.values() if count is not None]
    return {"consensus_without": kept, "mean_consensus_without": statistics.fmean(counts) if counts else None}


def _agreement(searches: Sequence[Found], consensus: tuple[Edge, ...], rule: Rule) -> dict[str, Any]:
    return agreement(
        [found.values for found in searches],
        [found.seed for found in searches],
        rule.space,
        **rule.comparison,
        kept=[found.architecture.edges for found in searches],
        consensus=consensus,
        left=[found.left for found in searches],
    )


def _left_by_all(searches: Sequence[Found]) -> Left:
    """Edge name → the operations that had left every one of the searches."""
    first, *others = [found.left for found in searches]
    left = {
        edge: [one for one in names if all(one in o.get(edge, ()) for o in others)] for edge, names in first.items()
    }
    return {edge: names for edge, names in left.items() if names}


def _edges_of(record: dict[str, Any], space: SearchSpace) -> dict[str, dict[str, float]]:
    return {slot.name: record[slot.name] for slot in space.searched_slots}


def _provenance(architectures: Sequence[Architecture]) -> dict[str, Any]:
    """Return the first search's provenance, with all seeds instead of one."""
    shared = {k: v for k, v in architectures[0].provenance.items() if k not in ("method", "seed")}
    seeds = [architecture.provenance.get("seed") for architecture in architectures]
    return {"method": "consensus of searches", "seeds": seeds, **shared}
