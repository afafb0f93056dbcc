"""Reads the few kinds of pickle in CIFAR-10's Python version, and executes nothing.

`pickle.load` runs whatever a file names. Here the file is only *parsed* (`pickletools.genops` never imports or calls
anything), and the small table below replays it on a stack: dictionaries, lists, tuples, numbers, texts, and numpy
arrays of integers, built from their bytes by `np.frombuffer`. A name outside `_CALLS` is an error.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from degas.errors import UserError

_PUSHED = re.compile(  # opcodes that push their argument: numbers, bytes, texts
    "(BIN)?INT[12]?|LONG[14]?|(BIN)?FLOAT|(SHORT_)?BIN(STRING|BYTES|UNICODE)|BIN(BYTES|UNICODE)8|BYTEARRAY8|STRING|UNICODE"
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_MARK = object()
_INTEGER = re.compile(r"[<>|=]?[iu][1248]")


class _Global(str):
    """A name in the file, "module name"; it stays a name."""

    __slots__ = ()


class _Dtype:
    def __init__(self, code: Any) -> None:
        self.code, self.order = code, "|"

    def build(self, state: Any) -> None:
        self.order = str(state[1])

    def resolve(self) -> np.dtype[Any]:
        code = self.order + str(self.code)
        if not _INTEGER.fullmatch(code):
            raise ValueError(f"array of type {code!r}, expected integers")
        return np.dtype(code)


class _Array:
    value: np.ndarray | None = None

    def build(self, state: Any) -> None:
        _, shape, dtype, column_major, raw = state
        self.value = _array(raw, dtype, shape, "F" if column_major else "C")


def read_pickled_data(data: bytes, name: str) -> Any:
    """The object pickled in `data`; texts of Python 2 become str (latin-1). Raises `UserError` with `name`."""
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
        return _plain(machine.stack.pop())
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{name}: not CIFAR-10's Python format, or damaged ({reason}); download it again") from error


class _Machine:
    """A pickle virtual machine that cannot import or call anything."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if _PUSHED.fullmatch(name):
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[int(argument)])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else int(argument)] = self.stack[-1]
        elif name in _STEPS:
            _STEPS[name](self, argument)
        else:
            raise ValueError(f"opcode {name}")

    def to_mark(self) -> list[Any]:
        """Pop the items above the last mark, and the mark."""
        position = max(k for k, item in enumerate(self.stack) if item is _MARK)
        items = self.stack[position + 1 :]
        del self.stack[position:]
        return items

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("stack underflow")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items


def _append(machine: _Machine, items: list[Any]) -> None:
    machine.stack[-1].extend(items)


def _set_items(machine: _Machine, items: list[Any]) -> None:
    machine.stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _reduce(machine: _Machine, _: Any) -> None:
    function, arguments = machine.pop(2)
    if not isinstance(function, _Global) or function not in _CALLS:
        raise ValueError(f"it names {str(function)!r}, which is not executed")
    machine.stack.append(_CALLS[function](*arguments))


def _build(machine: _Machine, _: Any) -> None:
    (state,) = machine.pop(1)
    machine.stack[-1].build(state)


def _stack_global(machine: _Machine, _: Any) -> None:
    machine.stack.append(_Global("{} {}".format(*machine.pop(2))))


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda m, _: m.stack.append(_MARK),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "DICT": lambda m, _: (lambda items: m.stack.append(dict(zip(items[::2], items[1::2], strict=True))))(m.to_mark()),
    "LIST": lambda m, _: m.stack.append(m.to_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.to_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.pop(3))),
    "APPEND": lambda m, _: _append(m, m.pop(1)),
    "APPENDS": lambda m, _: _append(m, m.to_mark()),
    "SETITEM": lambda m, _: _set_items(m, m.pop(2)),
    "SETITEMS": lambda m, _: _set_items(m, m.to_mark()),
    "GLOBAL": lambda m, argument: m.stack.append(_Global(argument)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}


def _array(raw: Any, dtype: _Dtype, shape: Any, order: Any) -> np.ndarray:
    data = raw.encode("latin-1") if isinstance(raw, str) else bytes(raw)
    return np.frombuffer(data, dtype.resolve()).reshape(shape, order="F" if order == "F" else "C")


def _frombuffer(raw: Any, dtype: _Dtype, shape: Any, order: Any) -> _Array:
    shell = _Array()
    shell.value = _array(raw, dtype, shape, order)
    return shell


# The calls that numpy 1 and 2 write at protocols 0 to 5, and the one for bytes of Python 3 at protocol 2.
_CALLS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray _reconstruct": lambda *_: _Array(),
    "numpy._core.multiarray _reconstruct": lambda *_: _Array(),
    "numpy.core.numeric _frombuffer": _frombuffer,
    "numpy._core.numeric _frombuffer": _frombuffer,
    "numpy dtype": lambda code, *_: _Dtype(code),
    "_codecs encode": lambda text, *_: text.encode("latin-1"),
}


def _plain(value: Any) -> Any:
    """Array shells → arrays and byte keys → text, in the dictionary of a batch file."""
    if isinstance(value, dict):
        return {k.decode("latin-1") if isinstance(k, bytes) else k: _plain(v) for k, v in value.items()}
    return value.value if isinstance(value, _Array) else value
