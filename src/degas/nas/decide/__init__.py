"""How a search's supernet becomes an architecture, one rule a module. Every module is imported: a file is enough."""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
