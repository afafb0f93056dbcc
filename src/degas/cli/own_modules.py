"""The option `--import MODULE` of every command: imports the user's module first, which registers its additions."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from degas.errors import UserError

OPTION = "--import"
OWN = f"your own operation, objective, …: {OPTION} MODULE"  # the last line of every help, within 80 columns


def import_own(arguments: Sequence[str]) -> list[str]:
    """Import every `--import MODULE` or `--import FILE.py` of a command; return the other arguments."""
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name, equals, value = argument.partition("=")
        if name != OPTION:
            rest.append(argument)
            continue
        chosen = value if equals else next(waiting, "")
        if not chosen or chosen.startswith("-"):
            raise UserError(f"{OPTION}: give the name of a module, or the path of a .py file")
        import_one(chosen)
    return rest


def import_one(chosen: str) -> ModuleType:
    """The module of this name, also from the current folder, or of this .py file."""
    try:
        return _import_file(Path(chosen)) if chosen.endswith(".py") else _import_module(chosen)
    except UserError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        missing = isinstance(error, FileNotFoundError) or getattr(error, "name", None) == chosen.partition(".")[0]
        if missing and all("own_modules" in frame.filename or "importlib" in frame.filename for frame in frames):
            raise UserError(f"{OPTION} {chosen}: no such module; give its name, or the path of its .py file") from None
        place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
        raise UserError(f"{OPTION} {chosen}: {type(error).__name__}: {' '.join(str(error).split())}{place}") from error


def with_own_settings(model: type[Any], arguments: Sequence[str]) -> type[Any]:
    """Return the options of a command, plus the settings of registered objectives if the arguments use them."""
    section = model.model_fields.get("gan")
    if section is None:
        return model
    known = {f"--gan.{name}" for name in section.annotation.model_fields}
    asked = {argument.partition("=")[0].replace("-", "_").replace("__gan.", "--gan.") for argument in arguments}
    unknown = {name for name in asked if name.startswith("--gan.") and name.replace(".no_", ".") not in known}
    if not unknown and "degas.gan.objectives" not in sys.modules:  # importing it takes torch
        return model
    from pydantic import create_model

    from degas.gan.settings import gan_section
    from degas.settings.sections import GanSettings

    extended = gan_section()
    if extended is GanSettings:
        return model
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, gan=(extended, extended()))


def _import_module(name: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    """Import the file `path` once, as a module with the file's name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(path)
    if path.stem in sys.modules:
        if getattr(sys.modules[path.stem], "__file__", None) == str(path.absolute()):
            return sys.modules[path.stem]
        raise UserError(f"{OPTION} {path}: another module is called {path.stem}; rename the file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
