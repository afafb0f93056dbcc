"""Fits are trials named by what is fitted; a stop goes on exactly; the cap holds; the files say what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_gan import toy_images

from degas.errors import UserError
from degas.nas.glo import standalone
from degas.nets.cost import architecture_cost
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas_lab.fits.pareto import load_points
from degas_lab.fits.rival_plan import METHODS, Plan
from degas_lab.fits.rival_searches import Baselines, trial_name, write_summary

SEARCH = SearchSettings(width=4, noise_size=6, batch_images=8)
PLAN = Plan(num_fits=8, num_epochs=1, population=3, tournament=2)
FITTED: list[tuple[Architecture, int]] = []


def measurement(folder: Path, plan: Plan = PLAN, **options: Any) -> Baselines:
    given = {"engine": Engine(device="cpu"), "say": lambda line: None, **options}
    return Baselines(toy_images(16, 8), SEARCH, SpaceSettings(), plan, folder, **given)


def fake_fit(architecture: Architecture, images: Any, settings: Any, *, seed: int, **_: Any) -> float:
    """Loss by size, so that evolution has something to climb."""
    FITTED.append((architecture, seed))
    return 1e3 / architecture_cost(architecture).num_parameters + 0.01 * seed


@pytest.fixture
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FITTED.clear()
    monkeypatch.setattr(standalone, "fit_alone", fake_fit)


@pytest.mark.usefixtures("_fake")
def test_no_architecture_is_fitted_twice(tmp_path: Path) -> None:
    found = measurement(tmp_path)
    found.measure()
    names = {trial_name(architecture.edges, seed) for architecture, seed in FITTED}
    assert len(names) == len(FITTED) == len(found.trials.records())
    assert len(FITTED) <= 2 * 8 - 3  # the evolution's first population are random search's first fits
    for method in METHODS:
        assert len(found.history(method, 0)) == 8


@pytest.mark.usefixtures("_fake")
def test_a_stop_goes_on_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measurement(tmp_path / "whole")
    whole.measure()
    FITTED.clear()

    def stopping(*arguments: Any, **options: Any) -> float:
        if len(FITTED) == 10:
            raise KeyboardInterrupt
        return fake_fit(*arguments, **options)

    monkeypatch.setattr(standalone, "fit_alone", stopping)
    with pytest.raises(KeyboardInterrupt):
        measurement(tmp_path / "cut").measure()
    partly = measurement(tmp_path / "cut")
    assert 0 < len(partly.history("evolution", 0)) < 8
    write_summary(partly, tmp_path / "cut")
    monkeypatch.setattr(standalone, "fit_alone", fake_fit)
    partly.measure()
    for method in METHODS:
        assert partly.history(method, 0) == whole.history(method, 0)


@pytest.mark.usefixtures("_fake")
def test_a_larger_budget_and_more_seeds_go_on_in_the_same_folder(tmp_path: Path) -> None:
    measurement(tmp_path).measure()
    before = len(FITTED)
    larger = measurement(tmp_path, Plan(**{**vars(PLAN), "num_fits": 10, "seeds": 2}))
    larger.measure()
    assert len(FITTED) - before <= 2 * 2 + 2 * 10 - 3
    assert {seed for _, seed in FITTED[before:]} == {0, 1}
    with pytest.raises(UserError, match="other settings"):
        measurement(tmp_path, Plan(**{**vars(PLAN), "num_epochs": 2}))


@pytest.mark.usefixtures("_fake")
def test_the_cap_holds_and_one_below_the_smallest_is_refused(tmp_path: Path) -> None:
    capped = measurement(tmp_path / "a", Plan(**{**vars(PLAN), "max_params": 1100}))
    capped.measure()
    assert all(record["num_parameters"] <= 1100 for record in capped.trials.records().values())
    with pytest.raises(UserError, match=r"--max-params: the smallest architecture has [\d,]+ parameters"):
        measurement(tmp_path / "b", Plan(**{**vars(PLAN), "max_params": 10}))


@pytest.mark.usefixtures("_fake")
def test_the_files_of_the_summary(tmp_path: Path) -> None:
    found = Architecture(1, 1, 4, 4, 6, 3, SpaceSettings().resolve(8)[0].draw(5))
    done = measurement(tmp_path, found=found)
    done.measure()
    summary = write_summary(done, tmp_path)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    for method, entry in summary["methods"].items():
        best = Architecture.load(tmp_path / f"best-{method}.json")
        assert 1e3 / architecture_cost(best).num_parameters == pytest.approx(entry["best_loss"])
        assert best.provenance["method"] == method
        assert entry["best_loss"] == min(entry["runs"][0]["losses"])
    assert len(summary["found"]) == 1
    kinds = {record["kind"] for record in done.trials.records().values()}
    assert kinds == {"found", "random", "evolution"}
    assert len((tmp_path / "table.md").read_text().splitlines()) == 2 + 2 + 1
    assert (tmp_path / "loss-against-fits.png").stat().st_size > 0


def test_a_fit_that_diverges_loses_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def fit(*arguments: Any, **options: Any) -> float:
        calls.append(1)
        if len(calls) in (1, 6):
            raise NonFiniteError("glo: l2 is nan at step 3")
        return fake_fit(*arguments, **options)

    monkeypatch.setattr(standalone, "fit_alone", fit)
    done = measurement(tmp_path)
    done.measure()
    failed = [record for record in done.trials.records().values() if "failed" in record]
    assert len(failed) == 2
    assert all(record["loss"] is None for record in failed)
    summary = write_summary(done, tmp_path)
    run = summary["methods"]["random"]["runs"][0]
    assert run["losses"][0] is run["best"][0] is None
    assert run["best"][-1] == min(loss for loss in run["losses"] if loss is not None)
    assert len(load_points([tmp_path])) == len(calls) - 2


def test_names_do_not_depend_on_the_order_of_edges() -> None:
    edges = SpaceSettings().resolve(32)[0].draw(3)
    assert trial_name(edges, 0) == trial_name(tuple(reversed(edges)), 0) != trial_name(edges, 1)


def test_a_tiny_measurement_with_real_fits(tmp_path: Path) -> None:
    done = measurement(tmp_path, Plan(**{**vars(PLAN), "num_fits": 3, "population": 2}))
    done.measure()
    records = done.trials.records().values()
    assert all(0 < record["loss"] < 10 and record["seconds"] > 0 for record in records)
