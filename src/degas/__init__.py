"""degas: find a small GAN generator for your images by differentiable architecture search.

The names below load on first use, so that `import degas` is instant and takes no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from degas.runtime.telemetry import switch_off

switch_off()
__version__ = "0.2.0"
_HOMES = {
    "Architecture": "degas.space.architecture",
    "SearchSpace": "degas.space.graph",
    "Generator": "degas.generator.generator",
    "CriticOutput": "degas.nets.critic",
    "Objective": "degas.gan.objectives",
    "register_critic": "degas.nets.critic",
    "register_critic_operation": "degas.nets.critic_operations",
    "register_generator": "degas.nets.generators",
    "register_objective": "degas.gan.objectives",
    "register_operation": "degas.nets.operations",
    "register_rule": "degas.nas.decide.rule",
    "register_signal": "degas.nas.signal",
    "register_source": "degas.data.sources",
    "UserError": "degas.errors",
    "search": "degas.api.stages",
    "train": "degas.api.stages",
    "evaluate": "degas.api.stages",
    "invert": "degas.api.stages",
    "run": "degas.api.whole_run",
}
__all__ = [
    "Architecture",
    "CriticOutput",
    "Generator",
    "Objective",
    "SearchSpace",
    "UserError",
    "evaluate",
    "invert",
    "register_critic",
    "register_critic_operation",
    "register_generator",
    "register_objective",
    "register_operation",
    "register_rule",
    "register_signal",
    "register_source",
    "run",
    "search",
    "train",
]

if TYPE_CHECKING:
    from degas.api.stages import evaluate, invert, search, train
    from degas.api.whole_run import run
    from degas.data.sources import register_source
    from degas.errors import UserError
    from degas.gan.objectives import Objective, register_objective
    from degas.generator.generator import Generator
    from degas.nas.decide.rule import register_rule
    from degas.nas.signal import register_signal
    from degas.nets.critic import CriticOutput, register_critic
    from degas.nets.critic_operations import register_critic_operation
    from degas.nets.generators import register_generator
    from degas.nets.operations import register_operation
    from degas.space.architecture import Architecture
    from degas.space.graph import SearchSpace


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'degas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
