"""The polish of a finished search: fit, compare, move to a better neighbour, and say what was compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from degas.data.image_set import ImageSet
from degas.nas.decide.rule import Rule
from degas.nas.polish.candidates import Candidate, candidates
from degas.nas.polish.fits import FOLDER, Contestant, Fits
from degas.nas.polish.procedure import FOUND, NUM_FRESH, Outcome, most_fits, polished
from degas.nas.settings import CompleteSearch
from degas.runtime.distributed import Engine
from degas.runtime.interrupts import StopRequest
from degas.runtime.progress import Progress
from degas.runtime.run_folder import StageFolder
from degas.space.architecture import Architecture
from degas.space.pruning import Alpha


def polish(
    folder: StageFolder,
    found: Architecture,
    values: Alpha,
    rule: Rule,
    images: ImageSet,
    settings: CompleteSearch,
    *,
    seed: int,
    engine: Engine,
    progress: bool,
) -> Architecture:
    """Return `found`, or the neighbour that at most `settings.polish` fits alone show to be better.

    Writes polish.json, and one file per fit in the folder polish; fits that are there are not made again. Given edges
    stay, and caps on size hold. `values` are those that the rule compared. Every process calls this.

    Raises:
        UserError: the record of an earlier fit is damaged.
        Terminated, Interrupted: stopped by a signal; finished fits are kept.
    """
    options = candidates(found.edges, values, rule)
    most = most_fits(len(options), settings.polish)
    screened = options[: max(0, most - 1 - 2 * NUM_FRESH)]
    seeds = [seed + number for number in range(1 + NUM_FRESH)]
    contestants = _contestants(found, screened)
    fits = Fits(folder.path / FOLDER, contestants, images, settings, seeds=seeds, engine=engine)
    bar = _progress(fits, most, quiet=not (progress and engine.is_main))
    with StopRequest() as stop, bar:
        fits.follow(bar, stop)
        outcome = polished(fits.loss, len(options), settings.polish)
        bar.end_at(fits.step)
    record = _record(outcome, screened, fits, len(options))
    folder.write_json("polish.json", record)
    return replace(contestants[outcome.winner].architecture, provenance=_provenance(found, record, settings))


def _provenance(found: Architecture, record: Mapping[str, Any], settings: CompleteSearch) -> dict[str, Any]:
    """That of the found architecture, with the decisions that changed; the searches of a consensus had no polish."""
    moved = record["moved"]
    changes = {} if moved is None else {moved["decision"]: {"before": moved["before"], "after": moved["after"]}}
    search = {**found.provenance.get("search", {}), "polish": settings.polish}
    return {**found.provenance, "search": search, "polish": {"num_fits": record["num_fits"], "moved": changes}}


def _contestants(found: Architecture, screened: Sequence[Candidate]) -> list[Contestant]:
    first = Contestant("found", "the found architecture", found)
    others = [
        Contestant(
            one.neighbour.file_name,
            f"{one.neighbour.decision} {one.neighbour.option}",
            replace(found, edges=one.neighbour.edges),
        )
        for one in screened
    ]
    return [first, *others]


def _progress(fits: Fits, most: int, *, quiet: bool) -> Progress:
    total = max(most * fits.steps_per_fit, fits.step)
    return Progress("polish", total, start_step=fits.step, shorter="a smaller --search.polish", quiet=quiet or not most)


def _record(outcome: Outcome, screened: Sequence[Candidate], fits: Fits, num_options: int) -> dict[str, Any]:
    """The object of polish.json."""
    rows = [
        {
            "decision": one.neighbour.decision,
            "before": one.before,
            "after": one.neighbour.option,
            "deficit": one.deficit,
            **_of_contestant(number, outcome, fits),
            "differences": _differences(number, outcome, fits.seeds),
        }
        for number, one in enumerate(screened, start=1)
    ]
    best = None if outcome.best == FOUND else rows[outcome.best - 1]
    return {
        "num_fits": outcome.num_fits,
        "num_epochs": fits.settings.num_epochs,
        "seeds": list(fits.seeds),
        "num_neighbours": num_options,
        "found": _of_contestant(FOUND, outcome, fits) if screened else None,
        "neighbours": rows,
        "best": best and _named(best),
        "moved": {**_named(best), "difference": _fresh(best)} if best and outcome.winner != FOUND else None,
    }


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("decision", "before", "after")}


def _of_contestant(number: int, outcome: Outcome, fits: Fits) -> dict[str, Any]:
    losses = outcome.losses[number]
    by_seed = {str(seed): _finite(loss) for seed, loss in zip(fits.seeds, losses, strict=False)}
    return {"losses": by_seed, "num_parameters": fits.record(number, 0)["num_parameters"]}


def _differences(number: int, outcome: Outcome, seeds: Sequence[int]) -> dict[str, float | None]:
    """Seed → the neighbour's loss minus the found one's; None if one of them diverged."""
    pairs = zip(seeds, outcome.losses[number], outcome.losses[FOUND], strict=False)
    return {str(seed): _finite(loss - found) for seed, loss, found in pairs}


def _fresh(row: dict[str, Any]) -> float | None:
    """The mean difference with the seeds that chose nothing."""
    found = list(row["differences"].values())[1:]
    return None if None in found else statistics.fmean(found)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
