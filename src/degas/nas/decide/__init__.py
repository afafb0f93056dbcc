"""Rules by which a search's supernet becomes an architecture, one a module. A new file is enough: all are imported."""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
