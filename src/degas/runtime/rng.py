"""Randomness as a pure function of (seed, purpose, step, rank), so that a resumed run needs no saved random state.

Our choice: a hash instead of a chain of draws. Draws of one part never change those of another, and step 1000 can be
drawn without the 999 before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(seed: int, purpose: str, step: int = 0, rank: int = 0) -> int:
    """A seed from 0 to 2**63 - 1 that depends on all four arguments; seeds of different arguments look unrelated.

    Args:
        seed: the run's seed; any integer, also a negative one.
        purpose: the use of the numbers, such as `"critic noise"`.
        step: finished steps, or any other counter.
        rank: the process that draws.
    """
    text = f"{int(seed)}|{purpose}|{int(step)}|{int(rank)}"  # unambiguous: all but the purpose are integers
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & (2**63 - 1)


def torch_generator(
    seed: int, purpose: str, step: int = 0, rank: int = 0, device: str | torch.device = "cpu"
) -> torch.Generator:
    """A fresh torch generator on `device`.

    torch's CPU generator keeps only 32 bits of a seed: among some 65,000 generators, two share a state with even odds.
    If that matters, draw many rows from one generator, or take `numpy_generator`.
    """
    return torch.Generator(device=device).manual_seed(derive_seed(seed, purpose, step, rank))


def numpy_generator(seed: int, purpose: str, step: int = 0, rank: int = 0) -> np.random.Generator:
    """A fresh numpy generator (PCG64, which takes all 63 bits)."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, purpose, step, rank)))


@contextmanager
def forked_rng(seed: int, purpose: str, step: int = 0, rank: int = 0) -> Iterator[None]:
    """Sets torch's global random state (dropout, initialisation) inside the block and restores it afterwards.

    Covers the CPU and, if CUDA is in use, every CUDA device. numpy's and Python's global states do not change.
    """
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if cuda else []
    with torch.random.fork_rng(devices=devices):
        derived = derive_seed(seed, purpose, step, rank)
        torch.default_generator.manual_seed(derived)
        if cuda:
            torch.cuda.manual_seed_all(derived)
        yield
