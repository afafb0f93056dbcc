"""`degas experiment NAME`: a family of commands, one per measurement."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from degas.cli.family import Member, find_member

# Name → (one line of help, module of `degas_lab.commands`). A module has `Options` and `main(options)`.
EXPERIMENTS = {
    "found-vs-random": ("GLO loss of the found architecture against drawn ones", "found_vs_random"),
    "local-optimum": ("is the found architecture better than all that differ in one decision?", "local_optimum"),
    "objectives": ("the adversarial objectives at equal time, with equal tuning", "objectives"),
    "baselines": ("random search and regularised evolution with the same GLO budget", "baselines"),
    "search-variants": (
        "other ways to search beside the default one, at equal cost",
        "search_variants",
    ),
    "grown-search": ("a grown search beside the search at once: time, memory and loss", "grown_search"),
    "pareto": ("loss against parameters over finished trials: the front and its knee", "pareto"),
    "rank-correlation": ("do the search loss and other signals predict adversarial quality?", "rank_correlation"),
    "hand-made": ("generators made by hand, trained equally with paired seeds: which is better?", "hand_made"),
    "critic-search": ("propose a critic: mixed operations beside fixed generators, by test power", "critic_search"),
    "critic-contest": ("which critic trains the better generator, at equal processor time?", "critic_contest"),
    "label-agreement": ("does a supervised generator follow its labels?", "label_agreement"),
    "paper": ("the paper's tables, from data to finished table", "paper"),
    "paper-rate": ("which of the paper's rates train a search?", "paper_rate"),
    "loss-curves": ("how smoothly the losses of finished runs fall", "loss_curves"),
    "extractors": ("does a metric see blur, noise and missing classes?", "extractors"),
    "fewer-candidates": ("how much faster is a search step over fewer operations?", "fewer_candidates"),
    "frechet-time": ("time of the Fréchet distance against other codes", "frechet_time"),
    "augmentation": ("above how many images does augmentation no longer help?", "augmentation"),
}
SUMMARY = "run one of our measurements, trial by trial"
GOES_ON = "; the same command continues with what is missing"
ABOUT = "run one of our measurements; finished trials are kept, and a second call continues"
MEMBERS = {
    name: Member(summary, partial(importlib.import_module, f"degas_lab.commands.{module}"))
    for name, (summary, module) in EXPERIMENTS.items()
}


def find_command(arguments: Sequence[str]) -> tuple[Any, str, list[str]]:
    """The module of the measurement named by the first argument, its full name, and the other arguments."""
    return find_member("experiment", ABOUT, MEMBERS, arguments)
