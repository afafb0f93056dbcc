"""The work of degas as Python functions: the stages, the whole job, the plan of a command. Commands call them."""

from degas.api.stages import evaluate, search, train
from degas.api.whole_run import run

__all__ = ["evaluate", "run", "search", "train"]
