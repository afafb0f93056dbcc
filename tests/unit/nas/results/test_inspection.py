"""Searches made to end badly, and one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from degas.nas.glo.findings import collapsed, still_latents, variances
from degas.nas.glo.glo import Glo
from degas.nas.signal import Finding
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]


def run(path: Path, images: Any, settings: Any) -> list[str]:
    with StageFolder(path, settings={}, resume=False, kind="search") as folder:
        run_search(
            images, settings, SpaceSettings(), seed=0, folder=folder, engine=Engine(device="cpu"), progress=False
        )
    records = json.loads((path / "degenerate.json").read_text())
    assert all(set(record) == {"kind", "where", "warning"} for record in records)
    return [record["kind"] for record in records]


def test_a_sound_search_gives_no_alarm(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    # 102 steps. The graph has a single normal edge, so α is kept slow enough to leave it a convolution.
    settings = make_settings(width=8, num_epochs=34, weight_lr=1e-2, latent_lr=5e-2, alpha_lr=3e-3)
    assert run(tmp_path, make_images(), settings) == []


def test_scale_is_no_fault_where_losses_decide(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Finding("scale-takeover", "mixing weights", "what", "mend")
    monkeypatch.setattr("degas.nas.results.inspection.scale_takeover", lambda *_: taken)
    for rule in ("paper", "perturbation"):
        found = run(tmp_path / rule, make_images(), make_settings(prune=rule, perturbation_batches=1))
        assert ("scale-takeover" in found) is (rule == "paper")


def test_a_search_that_cannot_learn_is_named(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    """Rates of about nothing: flat images, all alike."""
    settings = make_settings(num_epochs=34, weight_lr=1e-9, latent_lr=1e-9)
    assert "collapse" in run(tmp_path, make_images(), settings)


def test_alpha_without_a_gradient_is_still_and_untrained_alpha_is_no_fault(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(num_epochs=2, train_alpha=False)
    assert "still-alpha" not in run(tmp_path / "untrained", make_images(), settings)
    monkeypatch.setattr("torch.optim.Adam.step", lambda self, closure=None: None)
    assert "still-alpha" in run(tmp_path / "stuck", make_images(), make_settings(num_epochs=2))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_latents_that_never_moved_are_counted_among_those_visited(
    optimizer: str, make_images: Make, make_settings: Make
) -> None:
    """21 images in batches of 8: the first epoch visits 16, and five that nobody visited are not dead."""
    settings = make_settings(latent_optimizer=optimizer, latent_init="random")
    search = Search(make_images(21), settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    for step in range(2):
        search.step(step)
    assert isinstance(search.signal, Glo)
    table = search.signal.table
    assert still_latents(table, search.weight_batches, 2) == (0, 16)
    dead = search.weight_batches(0).index[:3]
    for moved in (table.second_moment, table.distances):
        if moved is not None:
            moved[dead] = 0
    assert still_latents(table, search.weight_batches, 2)[0] == 3


def test_looking_changes_nothing(make_images: Make, make_settings: Make) -> None:
    search = Search(make_images(), make_settings(), SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    search.step(0)
    before = {name: value.clone() for name, value in search.supernet.state_dict().items()}
    metrics = [{"epoch": 1, "latent_gradient_norm": 0.1}]
    assert search.signal.findings(search.weight_batches, 1, metrics) == []
    assert variances(search.signal)[0] > 0
    assert all(torch.equal(value, before[name]) for name, value in search.supernet.state_dict().items())
    assert search.supernet.training


def test_a_constant_network_is_a_collapse(make_images: Make, make_settings: Make) -> None:
    search = Search(make_images(), make_settings(), SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    with torch.no_grad():
        for weight in search.supernet.parameters():
            weight.zero_()
    real_variance, fake_variance = variances(search.signal)
    assert fake_variance == pytest.approx(0.0, abs=1e-12)
    assert collapsed(real_variance, fake_variance, num_steps=1000, mend="") is not None
