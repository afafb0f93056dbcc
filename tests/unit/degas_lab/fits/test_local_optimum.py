"""Every neighbour is a trial; a stop goes on; the summary pairs within seeds and finds the neighbour that is better."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from toy_gan import toy_images

from degas.cli.main import main
from degas.errors import UserError
from degas.nas.glo import standalone
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace
from degas_lab.fits.local_optimum import LocalOptimum, searched_space
from degas_lab.fits.local_optimum_summary import format_table, read_pruning, write_summary
from degas_lab.fits.neighbour_plan import Plan

SPACE = SpaceSettings(normal_operations=("conv_3x3", "skip"), up_operations=("deconv_4x4", "nearest_conv_3x3"))
EDGES = (Edge("U0", "N1", "conv_3x3"), Edge("N1", "U1", "deconv_4x4"), Edge("U0", "U1", "deconv_4x4"))
FOUND = Architecture(1, 1, 4, 4, 6, 3, EDGES)
SEARCH = SearchSettings(width=4, noise_size=6, batch_images=8)
PLAN = Plan(num_epochs=1)
BETTER = {"conv_3x3": 0.0, "skip": -0.1}  # what an operation adds to the loss
FITTED: list[tuple[Architecture, int]] = []


def measurement(folder: Path, plan: Plan = PLAN, found: Architecture = FOUND) -> LocalOptimum:
    options = {"engine": Engine(device="cpu"), "say": lambda line: None}
    return LocalOptimum(found, toy_images(16, 8), SEARCH, SPACE, plan, folder, **options)  # type: ignore[arg-type]


def fake_fit(architecture: Architecture, images: Any, settings: Any, *, seed: int, **_: Any) -> float:
    """A loss that a seed moves by far more than an operation does, and slightly by both together."""
    FITTED.append((architecture, seed))
    operations = [edge.operation for edge in architecture.edges]
    return 10.0 * seed + sum(BETTER.get(name, 0.0) for name in operations) + 1e-3 * seed * len(operations)


@pytest.fixture
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FITTED.clear()
    monkeypatch.setattr(standalone, "fit_alone", fake_fit)


@pytest.mark.usefixtures("_fake")
def test_every_neighbour_is_fitted_once_a_seed_and_a_stop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*arguments: Any, **options: Any) -> float:
        if len(FITTED) == 4:
            raise KeyboardInterrupt
        return fake_fit(*arguments, **options)

    monkeypatch.setattr(standalone, "fit_alone", stopping)
    with pytest.raises(KeyboardInterrupt):
        measurement(tmp_path).measure()
    monkeypatch.setattr(standalone, "fit_alone", fake_fit)
    done = measurement(tmp_path)
    done.measure()
    assert len(FITTED) == len(set(FITTED)) == 3 * (1 + len(done.neighbours))
    assert {seed for _, seed in FITTED[: 1 + len(done.neighbours)]} == {0}  # a whole seed before the next
    assert FITTED[0][0] is not FITTED[1][0]
    assert FITTED[0][0].edges == FOUND.edges
    measurement(tmp_path, Plan(num_epochs=1, seeds=(0, 1, 2, 3))).measure()
    assert len(FITTED) == 4 * (1 + len(done.neighbours))
    with pytest.raises(UserError, match="other settings"):
        measurement(tmp_path, Plan(num_epochs=2))


@pytest.mark.usefixtures("_fake")
def test_the_summary_names_the_better_neighbour(tmp_path: Path) -> None:
    done = measurement(tmp_path)
    done.measure()
    summary = write_summary(done, tmp_path, None)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert done.chosen["N1 direct"] == "conv_3x3"
    best = summary["rows"][0]
    assert (best["decision"], best["option"], best["verdict"]) == ("N1 direct", "skip", "better")
    assert best["difference"] == pytest.approx(-0.1)
    assert "better by 0.1000" in format_table(summary)
    assert "No local optimum" in (tmp_path / "table.md").read_text()
    assert sum(summary["counts"].values()) == len(done.neighbours)
    assert summary["tau"] == {}


@pytest.mark.usefixtures("_fake")
def test_the_best_of_its_neighbours_is_a_local_optimum(tmp_path: Path) -> None:
    edges = next(one.edges for one in measurement(tmp_path / "a").neighbours if one.option == "skip")
    done = measurement(tmp_path / "b", found=Architecture(1, 1, 4, 4, 6, 3, edges))
    done.measure()
    summary = write_summary(done, tmp_path / "b", None)
    assert summary["counts"]["better"] == 0
    assert "a local optimum, as far as these fits tell" in (tmp_path / "b" / "table.md").read_text()


@pytest.mark.usefixtures("_fake")
def test_tau_says_how_the_search_ranked_the_options(tmp_path: Path) -> None:
    done = measurement(tmp_path)
    done.measure()
    ranks = {"skip": 2.0, "conv_3x3": 1.0, "deconv_4x4": 0.0, "nearest_conv_3x3": 0.0, "zero": 5.0}
    for sign in (1.0, -1.0):
        values = {s.name: {name: sign * ranks[name] for name in done.space.operations(s)} for s in done.space.slots}
        summary = write_summary(done, tmp_path, {"values": values, "compare": "above_zero"})
        assert summary["tau"]["N1 direct"] == sign
    assert "Kendall's τ" in (tmp_path / "table.md").read_text()
    other = {"U0->N1": {"conv_1x1": 0.0}, "N1->U1": {}, "U0->U1": {}}  # of another space
    assert write_summary(done, tmp_path, {"values": other, "compare": "raw"})["tau"] == {}


def test_a_fit_that_diverges_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(architecture: Architecture, *arguments: Any, **options: Any) -> float:
        if architecture.edges != FOUND.edges:
            raise NonFiniteError("glo: l2 is nan at step 1; lower the rates")
        return 0.5

    monkeypatch.setattr(standalone, "fit_alone", diverging)
    done = measurement(tmp_path, Plan(num_epochs=1, seeds=(0,)))
    done.measure()
    summary = write_summary(done, tmp_path, None)
    assert summary["num_diverged"] == len(done.neighbours)
    assert summary["rows"] == []


def test_operations_are_those_of_the_architectures_own_search_unless_given() -> None:
    own = Architecture(1, 1, 4, 4, 6, 3, FOUND.edges, provenance={"space": SPACE.model_dump(mode="json")})
    assert searched_space(own, SpaceSettings()).normal_operations == ("conv_3x3", "skip")
    given = searched_space(own, SpaceSettings(up_operations=("deconv_6x6",)))
    assert (given.normal_operations, given.up_operations) == (("conv_3x3", "skip"), ("deconv_6x6",))
    assert searched_space(FOUND, SpaceSettings()) == SearchSpace(1)


def test_a_damaged_pruning_file_is_one_line(tmp_path: Path) -> None:
    assert read_pruning(tmp_path / "architecture.json") is None
    (tmp_path / "pruning.json").write_text("{")
    with pytest.raises(UserError, match=r"pruning\.json: cannot be read"):
        read_pruning(tmp_path / "architecture.json")
    (tmp_path / "pruning.json").write_text('{"rule": "paper"}')  # as degas 0.1.0 wrote it
    assert read_pruning(tmp_path / "architecture.json") is None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Architecture(1, 1, 4, 4, 6, 1, FOUND.edges).save(tmp_path / "architecture.json")
    given = ["--data", "digits", "--data.image-size", "8", "--data.max-images", "16", "--out", str(tmp_path / "out")]
    given += ["--architecture", str(tmp_path / "architecture.json"), "--search.batch-images", "8", "--seeds", "0", "1"]
    given += ["--space.normal-operations", "conv_3x3", "skip", "--space.up-operations", "deconv_4x4"]
    command = ["experiment", "local-optimum", *given, "--num-epochs", "1"]
    assert main([*command, "--summary"]) == 2
    assert "no finished fit" in capsys.readouterr().err
    assert main(command) == 0
    assert "Found: " in capsys.readouterr().out
    record = json.loads((tmp_path / "out/trials/N1-direct-skip-s1.json").read_text())
    assert math.isfinite(record["loss"])
    assert main([*command, "--summary"]) == 0
