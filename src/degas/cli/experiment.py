"""`degas experiment NAME`: a family of commands, one a measurement."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from degas.errors import UserError, nearest

# Name → (one line of help, module of `degas.cli.experiments`). A module has `Options` and `main(options)`.
EXPERIMENTS = {
    "found-vs-random": ("GLO loss of the found architecture beside drawn ones", "found_vs_random"),
    "objectives": ("the adversarial objectives at equal time, each tuned alike", "objectives"),
    "baselines": ("random search and regularised evolution with the same GLO budget", "baselines"),
    "pareto": ("loss against parameters over finished trials: the front and its knee", "pareto"),
    "rank-correlation": ("does the search loss predict adversarial quality? beside other signals", "rank_correlation"),
    "label-agreement": ("does a supervised generator draw what its label asks for?", "label_agreement"),
}
HEAD = "degas experiment: run one of our measurements; finished trials are kept, and a second call goes on"
USAGE = "usage: degas experiment NAME [OPTIONS]      degas experiment NAME --help shows a measurement's options"


def find_command(arguments: Sequence[str]) -> tuple[Any, str, list[str]]:
    """The module of the measurement that the first argument names, its full name, and the other arguments."""
    if not arguments:
        raise UserError(f"missing NAME; choose from {', '.join(EXPERIMENTS)}; see degas experiment --help")
    name, *rest = arguments
    if name in ("-h", "--help", "help"):
        print(help_text())
        raise SystemExit(0)
    if name not in EXPERIMENTS:
        raise UserError(f"unknown experiment {name!r}{nearest(name, EXPERIMENTS)}")
    module = importlib.import_module(f"degas.cli.experiments.{EXPERIMENTS[name][1]}")
    return module, f"experiment {name}", rest


def help_text() -> str:
    width = max(map(len, EXPERIMENTS))
    lines = [f"  {name:<{width}}  {summary}" for name, (summary, _) in EXPERIMENTS.items()]
    return "\n".join([HEAD, "", USAGE, "", *lines])
