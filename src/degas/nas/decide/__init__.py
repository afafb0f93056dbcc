"""Pruning rules, which turn a supernet into an architecture, one per module. All modules here are imported."""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
