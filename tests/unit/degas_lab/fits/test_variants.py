"""Ways to search beside the default: equal cost by counted multiply-adds, a record a trial, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from forced_pool import ORDERS, ForcedPool
from toy_gan import toy_images

from degas.cli.main import main
from degas.errors import UserError
from degas.nas.plateau import NothingLearnedError
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas_lab import ahead
from degas_lab.fits import variant_summary
from degas_lab.fits import variants as module
from degas_lab.fits.metered import COUNTED_EVERY, MeteredSearch, holding
from degas_lab.fits.variant_plan import Plan
from degas_lab.fits.variant_summary import equal_decisions, write_summary
from degas_lab.fits.variants import Variants

SEARCH = SearchSettings(width=4, noise_size=6, batch_images=8, num_epochs=2, prune="paper", plateau_share=0.0)


def measurement(folder: Path, plan: Plan, settings: SearchSettings = SEARCH) -> Variants:
    given: Any = {"engine": Engine(device="cpu"), "say": lambda line: None}
    return Variants(toy_images(16, 8), settings, SpaceSettings(), plan, folder, **given)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Made-up searches: `gumbel` takes a third of the default's multiply-adds, `shrink` as many, `two-path` fails."""
    made = []

    def search(self: Variants, one: Any) -> dict[str, Any]:
        row, seed, num_epochs, _ = one
        made.append((row, seed, num_epochs))
        if row == "two-path":
            raise NothingLearnedError("search: nothing was learned")
        step = {"gumbel": 1e6}.get(row, 3e6)
        decided = {"N1 direct": "skip" if seed else "conv_1x1", "U1 direct": row}
        costs = {"step_multiply_adds": step, "search_multiply_adds": step * num_epochs, "held_mib": 2.0}
        loss = {"default": 0.5, "gumbel": 0.4}.get(row, 0.6) + 0.1 * seed
        return {"loss": loss, "num_parameters": 10, "choices": decided, "step_seconds": None, **costs}

    monkeypatch.setattr(module.Variants, "_searched_and_fitted", search)
    return made


def test_rows_get_the_default_s_multiply_adds(tmp_path: Path, searched: list[tuple[str, int, int]]) -> None:
    plan = Plan(rows=("gumbel", "two-path", "shrink"), seeds=2)
    measurement(tmp_path, plan).measure()
    assert searched == [
        *(("default", 0, 2), ("gumbel", 0, 2), ("two-path", 0, 2), ("shrink", 0, 2), ("default", 1, 2)),
        ("gumbel", 0, 6),  # the two others cost as much, or failed: not made again
        *(("gumbel", 1, 6), ("two-path", 1, 2), ("shrink", 1, 2)),
    ]
    measurement(tmp_path, plan).measure()
    assert len(searched) == 9
    measurement(tmp_path, plan.model_copy(update={"seeds": 3})).measure()
    assert searched[9:] == [("default", 2, 2), ("gumbel", 2, 6), ("two-path", 2, 2), ("shrink", 2, 2)]


@pytest.mark.parametrize("choose", ["first", "last"])
def test_any_order_of_ends_gives_the_same_bytes(
    choose: str, tmp_path: Path, searched: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ForcedPool(ORDERS[choose])
    monkeypatch.setattr(ahead, "make_pool", lambda options, folder: pool)
    monkeypatch.setattr(variant_summary, "draw", lambda *_: None)
    words = ["experiment", "search-variants", "--data", "digits", "--data.max-images", "16", "--seeds", "2"]
    words += ["--rows", "gumbel", "two-path", "shrink", "--search.num-epochs", "2", "--search.prune", "paper"]
    assert main([*words, "--out", str(tmp_path / "plain")]) == 0
    assert main([*words, "--out", str(tmp_path / "pool"), "--processes", "2"]) == 0
    made = [{one.name: one.read_bytes() for one in (tmp_path / k).rglob("*.json")} for k in ("plain", "pool")]
    assert made[0] == made[1]
    assert len(pool.order) == len(set(pool.order)) == 11
    counted = {"default-cost-s0", "default-cost-s1", "gumbel-epochs-s0", "two-path-epochs-s0", "shrink-epochs-s0"}
    assert set(pool.order[:5]) == counted  # the others' numbers of epochs follow from these
    assert ("gumbel", 1, 6) in searched


def test_a_growing_search_is_refused_and_not_taken_for_a_plain_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--search\.grow chains several searches, and each row is one; leave it out"):
        measurement(tmp_path, Plan(rows=("gumbel",)), SEARCH.model_copy(update={"grow": True}))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_no_result_and_the_next_call_tries_again(
    tmp_path: Path, searched: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(self: Variants, one: Any) -> dict[str, Any]:
        raise UserError("/tmp: no space left on the disk")

    found = measurement(tmp_path, Plan(rows=("gumbel",), seeds=1))
    with monkeypatch.context() as full:
        full.setattr(module.Variants, "_searched_and_fitted", search)
        with pytest.raises(UserError, match="no space left"):
            found.measure()
    assert found.trials.records() == {}
    found.measure()
    assert sorted(found.trials.records()) == ["default-cost-s0", "gumbel-cost-s0", "gumbel-epochs-s0"]


def test_beside_a_default_that_failed_every_row_has_as_many_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(self: Variants, one: Any) -> dict[str, Any]:
        if one.row == "default":
            raise NothingLearnedError("search: nothing was learned")
        return {"loss": 0.5, "search_multiply_adds": 1e6}

    monkeypatch.setattr(module.Variants, "_searched_and_fitted", search)
    found = measurement(tmp_path, Plan(rows=("gumbel",), seeds=1))
    found.measure()
    assert found.trials.records()["gumbel-cost-s0"]["num_epochs"] == 2


def test_the_table_compares_within_seeds_at_equal_cost(tmp_path: Path, searched: list[tuple[str, int, int]]) -> None:
    found = measurement(tmp_path, Plan(rows=("gumbel", "two-path", "shrink"), seeds=3))
    found.measure()
    summary = write_summary(found.trials.records(), tmp_path)
    rows = {row["row"]: row for row in summary["rows"]}
    assert list(rows) == ["default", "gumbel", "shrink"]
    assert rows["gumbel"]["against_default"]["difference"] == pytest.approx(-0.1)
    assert rows["gumbel"]["losses"] == pytest.approx([0.4, 0.5, 0.6])
    assert rows["default"]["equal_decisions"] == pytest.approx(4 / 3)  # of two: one of three pairs agrees on both
    table = (tmp_path / "table.md").read_text().splitlines()
    assert "| gumbel | 6 | 0.33 | 2.0 |" in table[3]
    assert table[3].endswith("| 0.5000 | better by 0.1000 |")
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (tmp_path / "losses.png").is_file()


def test_pairs_of_seeds_agree_on_so_many_decisions() -> None:
    assert equal_decisions([{"a": "x", "b": "y"}, {"a": "x", "b": "z"}, {"a": "w", "b": "z"}]) == pytest.approx(2 / 3)
    assert equal_decisions([{"a": "x"}]) is None


def test_rows_that_the_settings_exclude_are_refused_first(tmp_path: Path) -> None:
    settings = SEARCH.model_copy(update={"prune": "perturbation"})
    with pytest.raises(UserError, match="gumbel never mixes them"):
        measurement(tmp_path, Plan(rows=("shrink", "gumbel")), settings)
    assert not tmp_path.joinpath("trials").exists()


def test_a_search_is_counted_and_changes_nothing(tmp_path: Path) -> None:
    """A real one: the same architecture as without counting, whole multiply-adds, and less for a sampled path."""
    found = measurement(tmp_path, Plan(rows=("gumbel",), seeds=1, fit_epochs=1))
    found.measure()
    records = found.trials.records()
    assert set(records) == {"default-cost-s0", "gumbel-epochs-s0", "gumbel-cost-s0"}
    default, path = records["default-cost-s0"], records["gumbel-epochs-s0"]
    assert default["num_steps"] == path["num_steps"] == 4
    assert default["search_multiply_adds"] == pytest.approx(4 * default["step_multiply_adds"])
    assert path["step_multiply_adds"] < 0.7 * default["step_multiply_adds"]
    assert path["held_mib"] < 0.7 * default["held_mib"]
    assert records["gumbel-cost-s0"]["num_epochs"] > 2
    assert 0 < default["loss"] < 10
    plain, counted = (
        kind(toy_images(16, 8), SEARCH, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
        for kind in (MeteredSearch.__bases__[0], MeteredSearch)
    )
    for step in range(2):
        plain.step(step)
        counted.step(step)
    assert plain.supernet.alpha_by_name() == counted.supernet.alpha_by_name()
    assert (len(counted.multiply_adds), len(counted.seconds)) == (1, 1)
    assert counted.costs(1)["search_multiply_adds"] == counted.multiply_adds[0]  # it may settle before its last step
    assert COUNTED_EVERY > 2


def test_held_bytes_are_those_of_the_backward_pass_while_it_lasts() -> None:
    x = torch.ones(100, requires_grad=True)
    with holding() as held:
        product = x.exp() * 2.0  # holds the exponential: 400 bytes
        assert held.now == 400
        product.sum().backward()
        del product
        assert held.now == 0
        (x.sin() + x.cos()).sum().backward()  # both hold x itself, once
    assert held.peak == 400
