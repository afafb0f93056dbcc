"""Results do not depend on what the caller has told torch, and what he has told it is as before afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_extractor import TinyExtractor

import degas
from degas.evaluation import evaluate as evaluation
from degas.evaluation.extractors.base import freeze
from degas.runtime.torch_state import plain_torch

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float64": default_dtype,
    "device": default_device,
    "device block": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
}


def told() -> tuple[Any, ...]:
    return (
        torch.get_default_dtype(),
        torch.empty(0).device.type,
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


@pytest.mark.parametrize("state", STATES)
def test_what_was_told_is_set_aside_and_put_back(state: str) -> None:
    plain = told()
    with STATES[state]():
        inside = told()
        assert inside != plain
        assert plain_torch()(told)()[:6] == plain[:6]
        with pytest.raises(KeyError):
            plain_torch()({}.pop)("no such key")
        assert told() == inside
    assert told() == plain


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], tuple[Any, ...]]:
    """Every stage, saving, loading and sampling; all that comes out, as Python and numpy values."""
    monkeypatch.setattr(evaluation, "build_extractor", lambda *_: freeze(TinyExtractor()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options: dict[str, Any] = {"progress": False, "data_settings": {"image_size": 8}, "device": "cpu"}

    def run() -> tuple[Any, ...]:
        architecture = degas.search(PIXELS, search={"width": 4, "num_epochs": 1, "perturbation_batches": 1}, **options)
        gan = {"width": 4, "num_steps": 1, "batch_images": 4, "noise_size": 4}
        generator = degas.train(architecture, PIXELS, gan=gan, **options)
        generator.save(tmp_path / "generator")
        loaded = degas.Generator.load(tmp_path / "generator")
        scores = degas.evaluate(loaded, PIXELS, evaluate={"num_samples": 16}, **options)["scores"]
        assert {value.dtype for value in loaded.parameters()} == {torch.float32}
        return architecture.to_dict(), scores, loaded.sample(3).numpy().tolist()

    return run


@pytest.mark.filterwarnings("ignore")
def test_every_stage_gives_the_same_whatever_the_caller_has_told_torch(job: Callable[[], tuple[Any, ...]]) -> None:
    expected = job()
    before = torch.get_rng_state()
    for name, state in STATES.items():
        with state():
            assert job() == expected, name
    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_weights_still_follow_the_callers_seed() -> None:
    def drawn() -> torch.Tensor:
        made = degas.Generator.from_baseline("dcgan", width=4, noise_size=4, base_size=4, num_stages=1, channels=3)
        return torch.cat([value.flatten() for value in made.parameters()])

    torch.manual_seed(0)
    first, second = drawn(), drawn()
    torch.manual_seed(0)
    assert torch.equal(drawn(), first)
    assert not torch.equal(first, second)
