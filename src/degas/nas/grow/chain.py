"""A grown search: its stages one after the other, and the files of the whole.

RUN/search/  grow-008/ grow-016/ …  ordinary searches, each with its own config, logs, checkpoints and results
             architecture.json, pruning.json, degenerate.json  of all stages together
             alpha.jsonl, mixing.jsonl, metrics.jsonl, agreement.json, pictures  of the last stage
             growth.json  what each stage decided, and its loss; a stage's polish.json is in its folder
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.data.image_set import area_downsampled
from degas.nas.grow.plan import Stage
from degas.nas.job import Place, SearchJob
from degas.runtime.durable import replace_file
from degas.runtime.json_files import read_jsonl
from degas.runtime.run_folder import StageFolder
from degas.space.architecture import Architecture

SearchInto = Callable[[Path, SearchJob], None]
# Files that the whole has from its last stage.
OF_THE_LAST = (
    *("alpha.jsonl", "mixing.jsonl", "metrics.jsonl", "agreement.json"),
    *("reconstructions.png", "glo_samples.png", "agreement.png"),
)


def grow(folder: StageFolder, job: SearchJob, stages: Sequence[Stage], search_into: SearchInto) -> None:
    """Search all stages into `folder`; `search_into` searches one job into a folder, unless it is done."""
    before: Path | None = None
    for number, stage in enumerate(stages, start=1):
        if job.setup.progress and folder.writes:
            print(f"search: {stage.image_size} px, stage {number} of {len(stages)}", file=sys.stderr)
        inner = folder.path / stage.name
        search_into(inner, stage_job(job, stage, stages[number:], before))
        before = inner


def stage_job(job: SearchJob, stage: Stage, later: Sequence[Stage], before: Path | None) -> SearchJob:
    """The job of one stage; `before` is the folder of the stage before, None for the first one."""
    prefix = job.search.prefix if before is None else before / "architecture.json"
    place = Place(stage.image_size, tuple(one.image_size for one in later), before, stage.heads)
    images = area_downsampled(job.images, stage.image_size)
    return dataclasses.replace(job, images=images, search=stage.settings(job.search, prefix), place=place)


def write_whole(folder: StageFolder, job: SearchJob, stages: Sequence[Stage]) -> Architecture:
    """Write the files of the whole from those of its finished stages, and return the architecture."""
    parts = [folder.path / stage.name for stage in stages]
    architecture = whole_architecture(job, stages, [Architecture.load(part / "architecture.json") for part in parts])
    if not folder.writes:
        return architecture
    for name in OF_THE_LAST:
        if (parts[-1] / name).is_file():
            replace_file(folder.path / name, (parts[-1] / name).read_bytes())
    prunings = [_read(part / "pruning.json") for part in parts]
    folder.write_json("pruning.json", whole_pruning(prunings))
    folder.write_json("degenerate.json", _degenerate(parts, stages))
    folder.write_json("growth.json", [_told(*one) for one in zip(stages, parts, prunings, strict=True)])
    architecture.save(folder.path / "architecture.json")
    return architecture


def whole_architecture(job: SearchJob, stages: Sequence[Stage], found: Sequence[Architecture]) -> Architecture:
    """The last stage's architecture with the provenance of the whole: only what the user gave counts as a prefix."""
    last = {name: value for name, value in found[-1].provenance.items() if name != "prefix"}
    given = {name: value for name, value in found[0].provenance.items() if name == "prefix"}
    search = {name: value for name, value in job.search.model_dump(mode="json").items() if name != "prefix"}
    grown = {"grown": [stage.image_size for stage in stages]}
    whole = {**last, "search": search, **given, **grown, **_polishes([one.provenance for one in found])}
    return dataclasses.replace(found[-1], provenance=whole)


def _polishes(provenances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The polishes of all stages together; empty without any."""
    polishes = [one["polish"] for one in provenances if "polish" in one]
    if not polishes:
        return {}
    moved = {name: change for one in polishes for name, change in one["moved"].items()}
    return {"polish": {"num_fits": sum(one["num_fits"] for one in polishes), "moved": moved}}


def whole_pruning(prunings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """pruning.json of the whole: the decisions and values of all stages, the rest of the last one."""
    whole = dict(prunings[-1])
    whole.pop("darts", None)  # the rule's own edges are one stage's
    whole["decisions"] = [decision for pruning in prunings for decision in pruning["decisions"]]
    whole["values"] = {edge: values for pruning in prunings for edge, values in pruning["values"].items()}
    left = {edge: names for pruning in prunings for edge, names in pruning.get("left", {}).items()}
    whole |= {"left": left} if left else {}
    measured = [pruning["perturbation"] for pruning in prunings if "perturbation" in pruning]
    if measured:
        names = measured[-1]
        whole["perturbation"] = {name: {k: v for one in measured for k, v in one[name].items()} for name in names}
    if "cap" in whole:
        changed = {name: choice for one in prunings for name, choice in one["cap"]["changed"].items()}
        whole["cap"] = {**whole["cap"], "changed": changed}
    return whole


def _degenerate(parts: Sequence[Path], stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """The problems of all stages, each with its image size."""
    return [
        {**record, "image_size": stage.image_size, "warning": f"{stage.image_size} px: {record['warning']}"}
        for part, stage in zip(parts, stages, strict=True)
        for record in _read(part / "degenerate.json")
    ]


def _told(stage: Stage, part: Path, pruning: dict[str, Any]) -> dict[str, Any]:
    """A stage in growth.json: folder, image size, steps, mean loss of its last epoch, and its choices by decision."""
    metrics = [record for record in read_jsonl(part / "metrics.jsonl") if "step" in record]
    last = metrics[-1] if metrics else {}
    polished = _read(part / "polish.json")["moved"] if (part / "polish.json").is_file() else None
    changed = pruning.get("cap", {}).get("changed", {}) | (
        {polished["decision"]: polished["after"]} if polished else {}
    )
    choices = {one["name"]: changed.get(one["name"], one["choice"]) for one in pruning["decisions"]}
    return {
        "folder": stage.name,
        "image_size": stage.image_size,
        "num_steps": last.get("step"),
        "loss": last.get("epoch_loss", last.get("loss")),
        "choices": choices,
        **stage.caps,
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())
