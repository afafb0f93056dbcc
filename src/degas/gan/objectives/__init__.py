"""The adversarial objectives, one idea per module. All modules here are imported, so a new file is enough."""

from __future__ import annotations

import importlib
import pkgutil

from degas.gan.objectives.base import OBJECTIVES, Objective, register_objective

__all__ = ["OBJECTIVES", "Objective", "register_objective"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
