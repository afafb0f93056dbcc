"""Puts the slow oracles of `tests/reference` on the import path, and keeps every test to one thread and its own cache.

Two processes with two threads each on two cores wait for each other far longer than they compute. What the machine's
user has computed before must not decide whether a test passes, nor tests leave their images in the user's cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests of one worker share a cache that begins empty. One that counts what is computed sets another of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
