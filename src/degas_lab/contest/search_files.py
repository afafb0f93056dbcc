"""The files of a finished search, for the contest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.nas.decide.rule import make_rule
from degas.runtime.json_files import read_jsonl, read_object
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import check_alpha
from degas_lab.contest.propose import SearchResult


def read_search(run: Path) -> tuple[SearchResult, SearchSpace]:
    """Return the results of the search in `run` (a run folder, or its folder `search`), and its space."""
    folder = run / "search" if (run / "search").is_dir() else run
    pruning, config = (_object(folder / f"{name}.json") for name in ("pruning", "config"))
    if config.get("prefix"):
        raise UserError(f"{folder}: this search began with a prefix, and a contest needs a search of the whole space")
    found = Architecture.load(folder / "architecture.json")
    try:
        space = _space(found, config["space"])
        rule = make_rule(SearchSettings(prune=pruning["rule"]), space)
        last = (read_jsonl(folder / "alpha.jsonl") or [{}])[-1]
        values = rule.read(pruning, {name: value for name, value in last.items() if isinstance(value, dict)})
        check_alpha(values, space)
        return SearchResult(values, pruning["compare"], pruning["zero_rule"], found), space
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder}: pruning.json and config.json are not from a search; give another") from error


def _space(found: Architecture, given: Mapping[str, Any]) -> SearchSpace:
    normal, up = tuple(given["normal_operations"]), tuple(given["up_operations"])
    return SearchSpace(found.num_stages, found.num_normal, normal, up, order=found.order)


def _object(path: Path) -> dict[str, Any]:
    missing = f"--search {path.parent}: holds no finished search (no {path.name}); give the run folder of degas search"
    return read_object(path, missing=missing, advice="search again")
