"""The time of a search step over smaller sets of candidates: how much would dropping weak operations save?

    OMP_NUM_THREADS=1 degas experiment fewer-candidates

Interleaved medians of processor time, C = 32, batch 64, 32 px, images of noise; for one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SpaceSettings
from degas_lab.speed.benchmark import Sizes
from degas_lab.speed.timing import interleaved_ms

TWO_NORMAL: dict[str, tuple[str, ...]] = {"normal_operations": ("conv_3x3", "sep_conv_3x3")}
SMALL_UP: dict[str, tuple[str, ...]] = {"up_operations": ("deconv_4x4", "nearest_conv_3x3")}
BIG_UP: dict[str, tuple[str, ...]] = {"up_operations": ("deconv_6x6", "nearest_conv_1x1")}
SPACES: dict[str, dict[str, tuple[str, ...]]] = {
    "all": {},
    "two normal operations": TWO_NORMAL,
    "two up operations, none 6x6": SMALL_UP,
    "two up operations, one 6x6": BIG_UP,
    "two of each, none 6x6": {**TWO_NORMAL, **SMALL_UP},
    "two of each, one 6x6": {**TWO_NORMAL, **BIG_UP},
}


def search_step(space: dict[str, tuple[str, ...]], engine: Engine) -> Callable[[], object]:
    """One joint search step over the candidates of `space`."""
    sizes = Sizes()
    settings = sizes.search().model_copy(update={"schedule": "joint"})
    search = Search(sizes.images(0), settings, SpaceSettings(**space), seed=0, engine=engine)  # type: ignore[arg-type]
    return lambda: search.step(0)


def time_spaces(rounds: int = 7) -> dict[str, float]:
    """Milliseconds of processor time per step, by space."""
    with Engine(device="cpu") as engine:
        calls = {name: search_step(space, engine) for name, space in SPACES.items()}
        return interleaved_ms(calls, rounds=rounds, device=torch.device("cpu"), clock=time.process_time)
