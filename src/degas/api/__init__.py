"""What degas does, as Python functions: the stages, the whole job, what a command would do. Commands call them."""

from degas.api.stages import evaluate, search, train
from degas.api.whole_run import run

__all__ = ["evaluate", "run", "search", "train"]
