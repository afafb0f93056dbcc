"""Who takes part, in which order, and what the summary says when the truth is known."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
from tiny_extractor import TinyExtractor
from toy_gan import toy_images

from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas.gan.settings import resolve_gan
from degas.nets.cost import architecture_cost
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import EvaluateSettings, GanSettings, SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab.commands import rank_correlation as cli
from degas_lab.trainings import rank_correlation as module
from degas_lab.trainings.rank_correlation import (
    ADVERSARIAL,
    ALL_PREDICTORS,
    PREDICTORS,
    RankCorrelation,
    contestants,
)
from degas_lab.trainings.rank_plan import Plan
from degas_lab.trainings.rank_summary import format_table, part_values, summarise, write_summary
from degas_lab.trainings.scorer import Scorer

PATTERN = Architecture(1, 1, 4, 4, 6, 3, SearchSpace(1, 1).draw(0))
LARGE = Architecture(3, 1, 4, 32, 128, 3, SearchSpace().draw(0))
SEARCH = SearchSettings(width=4, noise_size=6, batch_images=8)
GAN = resolve_gan(GanSettings(objective="sn-gan", num_steps=8, width=4, batch_images=4, lr_decay="none"))
PLAN = Plan(num_architectures=6, num_equal=2, seeds=2, num_epochs=1, marks=(0.5, 1.0))


def measurement(folder: Path, plan: Plan = PLAN) -> RankCorrelation:
    images = toy_images(16, 8)
    scorer = Scorer(images, EvaluateSettings(num_samples=12), extractor=freeze(TinyExtractor()))
    engine = Engine(device="cpu")
    given = {"engine": engine, "say": lambda line: None}
    return RankCorrelation(images, PATTERN, GAN, SEARCH, plan, folder, scorer, **given)


def test_half_are_of_equal_size_and_the_others_cover_all_sizes() -> None:
    chosen = contestants(LARGE, Plan(num_architectures=24, num_equal=12))
    assert len({contestant.architecture.edges for contestant in chosen}) == 24
    assert [contestant.group for contestant in chosen[:4]] == ["equal", "any", "equal", "any"]
    sizes = {c.name: architecture_cost(c.architecture).num_parameters for c in chosen}
    equal = [size for name, size in sizes.items() if name.startswith("equal")]
    assert max(equal) <= 1.1 / 0.9 * min(equal)
    spread = sorted(math.log(size) for name, size in sizes.items() if name.startswith("any"))
    steps = [b - a for a, b in itertools.pairwise(spread)]
    assert max(steps) < 2.5 * (spread[-1] - spread[0]) / 11
    assert contestants(LARGE, Plan(num_architectures=24, num_equal=12)) == chosen
    first = [sizes[f"any{k:02d}"] for k in range(4)]  # any prefix covers the range
    assert max(first) / min(first) > 2


def test_what_the_draws_do_not_hold_is_refused() -> None:
    with pytest.raises(UserError, match="--num-equal"):
        contestants(LARGE, Plan(num_architectures=4, num_equal=4, equal_parameters=10))
    with pytest.raises(UserError, match="--num-architectures"):
        contestants(PATTERN, Plan(num_architectures=5000, num_equal=0))


def test_more_of_equal_size_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match="--num-equal: more than --num-architectures; lower it"):
        contestants(PATTERN, Plan(num_architectures=4, num_equal=5))


def test_a_whole_seed_comes_before_the_next(tmp_path: Path) -> None:
    order = list(measurement(tmp_path).order([ADVERSARIAL, "glo-l2"]))
    assert [seed for _, _, seed in order] == [0] * 12 + [1] * 12
    assert [part for part, _, _ in order] == ([ADVERSARIAL] * 6 + ["glo-l2"] * 6) * 2


def known_records(noise: float = 0.0) -> dict[str, dict[str, Any]]:
    """KID k for architecture k; `glo-l2` ranks them rightly, `glo-l2-lap1` wrongly, bigger is better."""
    records = {}
    for seed in (0, 1):
        for k in range(10):
            name, group = f"a{k}", "equal" if k % 2 else "any"
            kid = k + noise * (-1) ** (k + seed)
            base = {"architecture": name, "group": group, "seed": seed}
            base |= {"num_parameters": 100 - k, "multiply_adds": 50 + k}
            marks = [{"steps": 4, "kid": -kid if seed else kid, "fid": 1.0}, {"steps": 8, "kid": kid, "fid": 100 - kid}]
            records[f"adversarial-{name}-s{seed}"] = {**base, "part": ADVERSARIAL, "value": kid, "history": marks}
            for part, value in (("glo-l2", k / 10), ("glo-l2-lap1", 1 - k / 10)):
                records[f"{part}-{name}-s{seed}"] = {**base, "part": part, "value": value}
    return records


def test_predictors_get_the_tau_they_deserve() -> None:
    summary = summarise(known_records())
    for scope, count in (("equal", 5), ("any", 5), ("all", 10)):
        rows = {name: row["correlation"] for name, row in summary["scopes"][scope]["predictors"].items()}
        assert rows["glo-l2"] == {"tau": 1.0, "low": 1.0, "high": 1.0, "num_architectures": count}
        assert rows["glo-l2-lap1"]["tau"] == -1.0
        assert rows["parameters"]["tau"] == 1.0  # the biggest has the lowest KID
        assert rows["multiply-adds"]["tau"] == -1.0
        assert rows["proxy"] is None
    assert summarise(known_records(), "fid")["scopes"]["all"]["predictors"]["glo-l2"]["correlation"]["tau"] == -1.0


def test_the_seeds_own_agreement_stands_beside_and_at_every_mark() -> None:
    clean = summarise(known_records())["scopes"]["all"]
    assert clean["reliability"]["tau"] == 1.0
    assert {steps: entry["tau"] for steps, entry in clean["reliability_by_steps"].items()} == {"4": -1.0, "8": 1.0}
    assert summarise(known_records(3.0))["scopes"]["all"]["reliability"]["tau"] < 0.7


def test_an_earlier_mark_may_be_what_is_predicted(tmp_path: Path) -> None:
    """At the first one the seeds' scores cancel: no mean to rank."""
    early, late = (summarise(known_records(), mark=mark) for mark in (0, -1))
    assert (early["steps"], late["steps"]) == (4, 8)
    assert early["scopes"]["all"]["reliability"]["tau"] == -1.0
    assert early["scopes"]["all"]["predictors"]["glo-l2"]["correlation"] is None
    rest = {name: record for name, record in known_records().items() if record["seed"] == 0}
    one_seed = write_summary(rest, tmp_path, mark=0)
    assert one_seed["scopes"]["all"]["predictors"]["glo-l2"]["correlation"]["tau"] == 1.0
    assert "the KID after 4 steps itself" in (tmp_path / "table.md").read_text()


def test_a_mark_that_is_not_scored_is_refused(tmp_path: Path) -> None:
    options = cli.Options(source="digits", out=tmp_path / "out", score_at=0.3, summary=True)
    with pytest.raises(UserError, match=r"--score-at: 0\.3 is not one of --marks 0\.25 0\.5 1$"):
        cli.main(options)
    assert not (tmp_path / "out").exists()


def test_diverged_and_missing_trials_are_left_out() -> None:
    records = known_records()
    failed = "adversarial-a3-s0"
    records[failed] |= {"value": None, "failed": "x", "history": []}
    del records["adversarial-a3-s1"], records["glo-l2-a4-s1"]
    summary = summarise(records)
    assert summary["diverged"] == [failed]
    assert summary["finished"]["adversarial"] == 19
    assert summary["scopes"]["all"]["predictors"]["glo-l2"]["correlation"]["num_architectures"] == 9
    assert "–" in format_table(summarise({}))


def test_the_files_of_the_summary(tmp_path: Path) -> None:
    summary = write_summary(known_records(1.0), tmp_path)
    written = json.loads((tmp_path / "summary.json").read_text())
    assert set(written) == {"kid", "fid"}
    assert written["kid"] == json.loads(json.dumps(summary))
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert len(lines) == 2 + len(ALL_PREDICTORS) + 2 + 1
    assert lines[2].startswith("| glo-l2 | 1.00 (1.00 to 1.00; 5)")
    for name in ("tau.png", "scatter.png"):
        assert (tmp_path / name).stat().st_size > 0
    write_summary({}, tmp_path / "nothing-yet")


def test_a_stop_loses_the_trial_at_hand_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fit(*_: Any, **__: Any) -> float:
        calls.append("fit")
        if len(calls) == 4:
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr(module, "fit_alone", fit)
    with pytest.raises(KeyboardInterrupt):
        measurement(tmp_path).measure(["glo-l2"])
    measurement(tmp_path).measure(["glo-l2"])
    assert len(calls) == 12 + 1
    with pytest.raises(UserError, match="other settings"):
        measurement(tmp_path, Plan(**{**vars(PLAN), "num_epochs": 2}))
    measurement(tmp_path, Plan(**{**vars(PLAN), "seeds": 3}))


def test_a_fit_that_diverges_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: Any, **__: Any) -> float:
        raise NonFiniteError("glo: l2 is nan at step 3")

    monkeypatch.setattr(module, "fit_alone", fit)
    done = measurement(tmp_path)
    done.measure(["glo-l2"])
    records = done.trials.records()
    assert {record["failed"] for record in records.values()} == {"glo: l2 is nan at step 3"}
    assert len(summarise(records)["diverged"]) == 12


def test_a_tiny_measurement_from_end_to_end(tmp_path: Path) -> None:
    plan = Plan(**{**vars(PLAN), "num_architectures": 4, "num_equal": 0, "seeds": 1, "proxy_share": 0.25})
    done = measurement(tmp_path, plan)
    done.measure([ADVERSARIAL, *PREDICTORS])
    records = done.trials.records()
    assert len(records) == 4 * 5
    trained = records["adversarial-any00-s0"]
    assert [entry["steps"] for entry in trained["history"]] == [4, 8]
    assert trained["value"] == trained["history"][-1]["kid"]
    assert records["proxy-any00-s0"]["steps"] == 2
    l2 = part_values(records, "glo-l2", "kid")
    both = part_values(records, "glo-l2-lap1", "kid")
    assert all(l2[key] < both[key] for key in l2)  # one term of two
    assert set(part_values(records, "held-out", "kid")) == set(l2)
    summary = write_summary(records, tmp_path)
    assert summary["finished"] == {**dict.fromkeys((ADVERSARIAL, *PREDICTORS), 4), "glo-features": 0}
