"""Python functions for everything that commands do: the stages, a whole run, the plan of a command."""

from degas.api.stages import evaluate, invert, search, train
from degas.api.whole_run import run

__all__ = ["evaluate", "invert", "run", "search", "train"]
