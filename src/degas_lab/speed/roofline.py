"""The roofline of a step: the time for its arithmetic and memory traffic at this machine's rates.

Every operation of a step, including backward passes, takes at least max(FLOP / rate, bytes / copy rate); the roofline
is the sum. Rates are measured on the machine:

- dense convolutions: the forward pass at the same shape and precision, channels-last (three times for a whole backward
  pass);
- depthwise convolutions: the dense rate of 3×3 at their width and size, since they do little arithmetic;
- matrix products: the product of the same shape and precision;
- copies: a copy of as many bytes, rounded up to a power of two.

Bytes are those that an operation reads and writes; a view moves none. Multiply-adds count as two FLOP.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from degas_lab.speed.timing import wait_for

REPEATS = 5  # the fastest counts: a roofline is the machine's limit
MIN_BYTES = 4096


@dataclass(frozen=True)
class Convolution:
    """A convolution's shape: input (N, C_in, H, W), kernel (…, k, l), output channels."""

    transposed: bool
    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: int
    padding: int
    dilation: int
    groups: int
    dtype: torch.dtype = torch.float32

    @property
    def flop(self) -> float:
        """FLOP of one pass: forward, gradient to the input, or gradient to the kernel."""
        n, channels, height, width = self.input
        taps = self.weight[2] * self.weight[3]
        if self.transposed:
            return 2.0 * n * channels * height * width * self.weight[1] * taps
        sides = [(s + 2 * self.padding - self.dilation * (k - 1) - 1) // self.stride + 1
                 for s, k in zip((height, width), self.weight[2:], strict=True)]  # fmt: skip
        return 2.0 * n * self.weight[0] * sides[0] * sides[1] * self.weight[1] * taps


@dataclass(frozen=True)
class Product:
    """A matrix product: a (…, M, K) times b (…, K, L)."""

    a: tuple[int, ...]
    b: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    @property
    def flop(self) -> float:
        return 2.0 * math.prod(self.a) * self.b[-1]


class Record(TorchDispatchMode):
    """Counts the operations inside it: (shape or None, passes, bytes) → number of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[tuple[Convolution | Product | None, int, int]] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        self.operations[(*_shape(function, args), _bytes(function, args, out))] += 1
        return out


def roofline_ms(step: Callable[[], object], rates: Rates) -> float:
    """Milliseconds of `step` at the roofline. Runs it once, then measures the rates of its operations, if not known."""
    with Record() as record:
        step()
    total = 0.0
    for (shape, passes, num_bytes), count in record.operations.items():
        arithmetic = passes * shape.flop / rates.flop_per_second(shape) if shape else 0.0
        traffic = num_bytes / rates.bytes_per_second(num_bytes) if num_bytes >= MIN_BYTES else 0.0
        total += count * max(arithmetic, traffic)
    return total * 1e3


class Rates:
    """Rates of a device, each measured once."""

    def __init__(self, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> None:
        self.device, self.clock = device, clock
        self.known: dict[object, float] = {}

    def flop_per_second(self, shape: Convolution | Product) -> float:
        if isinstance(shape, Convolution) and shape.groups > 1:
            n, channels, height, width = shape.input
            shape = Convolution(
                False, (n, channels, height, width), (channels, channels, 3, 3), 1, 1, 1, 1, shape.dtype
            )
        if shape not in self.known:
            call = self._product(shape) if isinstance(shape, Product) else self._convolution(shape)
            self.known[shape] = shape.flop / self._seconds(call)
        return self.known[shape]

    def bytes_per_second(self, num_bytes: int) -> float:
        """The rate of a copy that reads and writes `num_bytes` in total."""
        size = 2 ** math.ceil(math.log2(num_bytes))
        if size not in self.known:
            source = torch.ones(max(size // 8, 1), device=self.device)
            target = torch.empty_like(source)
            self.known[size] = size / self._seconds(lambda: target.copy_(source))
        return self.known[size]

    def _seconds(self, call: Callable[[], object]) -> float:
        best = math.inf
        for _ in range(REPEATS + 1):  # the first is seldom the fastest
            start = self.clock()
            call()
            wait_for(self.device)
            best = min(best, self.clock() - start)
        return best

    def _convolution(self, shape: Convolution) -> Callable[[], object]:
        x = torch.randn(shape.input, device=self.device).to(shape.dtype, memory_format=torch.channels_last)
        weight = torch.randn(shape.weight, device=self.device).to(shape.dtype, memory_format=torch.channels_last)
        apply: Callable[..., Tensor] = F.conv_transpose2d if shape.transposed else F.conv2d
        options = {"stride": shape.stride, "padding": shape.padding, "dilation": shape.dilation}
        return lambda: apply(x, weight, **options)

    def _product(self, shape: Product) -> Callable[[], object]:
        a, b = (torch.randn(size, device=self.device).to(shape.dtype) for size in (shape.a, shape.b))
        return lambda: a @ b


def _shape(function: Any, args: Any) -> tuple[Convolution | Product | None, int]:
    """The shape of an arithmetic operation, and its number of passes."""
    name = function.overloadpacket.__name__
    if name == "convolution":
        x, weight, _, stride, padding, dilation, transposed, _, groups = args[:9]
        return _convolution(x, weight, stride, padding, dilation, transposed, groups), 1
    if name == "convolution_backward":
        _, x, weight, _, stride, padding, dilation, transposed, _, groups, mask = args[:11]
        return _convolution(x, weight, stride, padding, dilation, transposed, groups), int(mask[0]) + int(mask[1])
    if name in ("mm", "bmm"):
        return Product(tuple(args[0].shape), tuple(args[1].shape), args[0].dtype), 1
    if name == "addmm":
        return Product(tuple(args[1].shape), tuple(args[2].shape), args[1].dtype), 1
    return None, 0


def _convolution(
    x: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any, transposed: bool, groups: int
) -> Convolution:
    shapes = tuple(x.shape), tuple(weight.shape)
    return Convolution(transposed, *shapes, stride[0], max(padding), dilation[0], groups, x.dtype)


def _bytes(function: Any, args: Any, out: Any) -> int:
    outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    if function.is_view or not outputs:
        return 0
    inputs = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *outputs))
