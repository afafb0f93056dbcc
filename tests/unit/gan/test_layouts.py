"""No step converts a feature map between NCHW and channels-last: a conversion costs a pass over memory each time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from degas.runtime.distributed import Engine
from degas_lab.sizes import Sizes
from degas_lab.speed.benchmark import Benchmark

SIZES = Sizes(width=8, batch_images=7, image_size=16, noise_size=8)  # 7: no kernel has as many channels
COPIES = ("clone", "_to_copy", "copy_")
BASE_SIZE = 4  # the first map comes from a linear layer, which knows no layout


class Conversions(TorchDispatchMode):
    """Counts copies inside it that change the layout of maps (N, C, H, W) larger than the first one; not of images."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name in COPIES:
            given = args[1] if name == "copy_" else args[0]
            if is_map(given) and is_map(out) and layout(given) != layout(out):
                self.found[tuple(given.shape)] += 1
        return out


def is_map(value: Any) -> bool:
    """Neither images, which have fewer channels, nor kernels."""
    return (
        isinstance(value, Tensor)
        and value.dim() == 4
        and value.shape[0] % SIZES.batch_images == 0
        and value.shape[1] >= SIZES.width
        and min(value.shape[2:]) > BASE_SIZE
    )


def layout(value: Tensor) -> bool:
    return value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("objective", ["search", "mmd", "r3gan", "ct-gan"])
def test_no_map_is_converted(objective: str) -> None:
    bench = Benchmark(SIZES, rounds=1, seed=0, engine=Engine(device="cpu"))
    step = bench._search("joint") if objective == "search" else bench._our_training_step(objective)
    step()
    with Conversions() as conversions:
        step()
    assert not conversions.found


def test_a_conversion_would_be_seen() -> None:
    x = torch.zeros(7, 8, 8, 8)
    with Conversions() as conversions:
        x.contiguous(memory_format=torch.channels_last)
        x.clone()
    assert conversions.found == {(7, 8, 8, 8): 1}
