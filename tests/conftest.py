"""Puts the slow oracles of `tests/reference` on the import path, and keeps every test to one thread per process.

Two processes with two threads each on two cores wait for each other far longer than they compute.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of this process, before torch loads, and of those that tests start

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent / "reference"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` are skipped where there is none; `benchmarks/gpu.sh check` runs all that bear the mark."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
