"""No generator holds anything open while its caller's code runs: grad mode, training mode, warnings, patched modules.

A generator stops at each `yield`, perhaps for ever. Whatever a `with` or a `finally` around the `yield` would put back
is then the caller's to live with: a later search dies of autograd that is still off.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

import degas
from degas.data.decode import FitRule, try_decode_all
from degas.evaluation.extractors.base import Extracted, Extractor
from degas.evaluation.statistics import extract

SOURCE = Path(degas.__file__).parents[1]  # degas, and degas_lab beside it
# An open file is the generator's own: nobody else sees it, and it closes with the generator.
OPENS_A_FILE = {"open", "open_zip", "extractfile"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Held(NamedTuple):
    line: int
    function: str
    what: str


def held_across_yields(tree: ast.AST) -> Iterator[Held]:
    """Every `with` and `try … finally` of a generator that has a `yield` in it; context managers themselves may."""
    for function in ast.walk(tree):
        if isinstance(function, Function) and not _is_context_manager(function):
            for node in _own_nodes(function):
                what = _holds(node)
                if what and any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own_nodes(node)):
                    yield Held(node.lineno, function.name, what)


def _is_context_manager(function: Function) -> bool:
    return any("contextmanager" in ast.unparse(decorator) for decorator in function.decorator_list)


def _own_nodes(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """All below `node`, save the bodies of functions within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue
        if isinstance(child, ast.stmt | ast.expr):
            yield child
        yield from _own_nodes(child)


def _holds(node: ast.AST) -> str:
    """What `node` puts back at its end, as source; empty for nothing that others see."""
    if isinstance(node, ast.Try) and node.finalbody:
        return ast.unparse(node.finalbody[0])
    if not isinstance(node, ast.With | ast.AsyncWith):
        return ""
    seen = [item.context_expr for item in node.items if not _opens_a_file(item.context_expr)]
    return ", ".join(map(ast.unparse, seen))


def _opens_a_file(expression: ast.expr) -> bool:
    return any(
        isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in OPENS_A_FILE
        for call in ast.walk(expression)
    )


@pytest.mark.parametrize(
    ("source", "num_found"),
    [
        ("def f():\n with no_grad():\n  yield 1", 1),
        ("def f():\n with open(p) as s:\n  yield 1", 0),
        ("def f():\n with open(p) as s, no_grad():\n  yield 1", 1),
        ("def f():\n with no_grad():\n  x = 1\n yield x", 0),
        ("def f():\n with no_grad():\n  yield from g()", 1),
        ("def f():\n try:\n  yield 1\n finally:\n  m.train()", 1),
        ("@contextmanager\ndef f():\n with no_grad():\n  yield", 0),
        ("def f():\n with no_grad():\n  def g():\n   yield 1\n  return list(g())", 0),
        ("class A:\n def f(self):\n  for x in y:\n   with no_grad():\n    z = yield x", 1),
    ],
)
def test_the_scan_sees_what_it_should(source: str, num_found: int) -> None:
    assert len(list(held_across_yields(ast.parse(source)))) == num_found


def test_no_generator_of_the_package_holds_anything_open() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{held.line} {held.function}": held.what
        for package in ("degas", "degas_lab")
        for path in sorted((SOURCE / package).rglob("*.py"))
        for held in held_across_yields(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {}


class _Two(Extractor):
    name, num_features = "two", 2

    def forward(self, images: Tensor) -> Extracted:
        return Extracted(images.float().flatten(1)[:, :2], None)


def test_features_are_taken_without_autograd_and_it_is_back_between_batches() -> None:
    batches = extract(_Two(), iter([torch.zeros(400, 1, 4, 4, dtype=torch.uint8)]), "cpu")
    next(batches)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_pictures_are_decoded_without_warnings_and_they_are_back_between_pictures() -> None:
    before = list(warnings.filters)
    pictures = try_decode_all(((f"{k}", np.zeros((8, 8, 3), np.uint8)) for k in range(100)), FitRule(8))
    next(pictures)
    assert list(warnings.filters) == before
