"""The plan: who is tuned, who is chosen, what a stop leaves, and the summary that comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_extractor import TinyExtractor
from toy_gan import toy_images

from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas.gan.objectives import OBJECTIVES
from degas.runtime.distributed import Engine
from degas.settings.sections import EvaluateSettings
from degas_lab.trainings import objectives as module
from degas_lab.trainings.objectives import Choice, Objectives, resnet_width
from degas_lab.trainings.objectives_plan import Plan
from degas_lab.trainings.objectives_summary import format_table, write_summary
from degas_lab.trainings.scorer import Scorer
from degas_lab.trials import AHEAD, Make, Trials

PLAN = Plan(
    objectives=("sn-gan", "wgan-gp"),
    minutes=0.0002,
    marks=(0.5, 1.0),
    seeds=2,
    rates=(1e-4, 4e-4),
    critic_steps=(1, 2),
    tune_minutes=0.0001,
    tune_samples=8,
    critic_width=4,
    num_parameters=3000,
    batch_images=4,
    generator_batch_images=3,
)


def measurement(folder: Path, plan: Plan = PLAN, **options: Any) -> Objectives:
    images = toy_images(16, 8)
    scorer = Scorer(images, EvaluateSettings(num_samples=12), extractor=freeze(TinyExtractor()))
    return Objectives(images, plan, folder, scorer, engine=Engine(device="cpu"), say=lambda line: None, **options)


def fake_trial(scores: dict[str, float]) -> Any:
    """Instead of a training: a record whose KID is looked up by `rate/critic steps`; None diverges."""

    def train(generator: Any, images: Any, settings: Any, score: Any, *, marks: Any, **_: Any) -> dict[str, Any]:
        kid = scores.get(f"{settings.own.generator_lr:g}/{settings.own.critic_steps}", 0.5)
        if kid is None:
            return {"steps": 1, "history": [], "num_parameters": 7, "failed": "diverged"}
        numbers = {"steps": 3, "seconds": 1.0, "processor_seconds": 0.5, "fid": 100 * kid, "kid": kid, "kid_std": 0.0}
        history = [{"mark": mark, **numbers, "precision": 0.5, "recall": 0.5} for mark in marks]
        return {"steps": 3, "history": history, "num_parameters": 7}

    return train


def test_the_resnet_has_about_170_000_parameters() -> None:
    sizes = {"base_size": 4, "num_stages": 3, "channels": 3}
    width = resnet_width(170_000, **sizes)
    generator = module.Generator.from_baseline("resnet", width=width, noise_size=128, **sizes)
    near = [
        module.Generator.from_baseline("resnet", width=w, noise_size=128, **sizes).num_parameters
        for w in (width - 1, width + 1)
    ]
    assert abs(generator.num_parameters - 170_000) <= min(abs(count - 170_000) for count in near)
    assert abs(generator.num_parameters - 170_000) < 6_000
    assert resnet_width(1_204_483, **sizes) == 128  # the paper's size
    with pytest.raises(UserError, match="--num-parameters: the narrowest resnet has"):
        resnet_width(10, **sizes)


def test_every_objective_is_tuned_alike_and_keeps_its_own_ratio_of_rates() -> None:
    for objective in OBJECTIVES:
        own = OBJECTIVES.find(objective, "")()
        settings = Choice(objective, 8e-4, 2).settings(PLAN)
        assert (settings.own.generator_lr, settings.own.critic_steps, settings.width) == (8e-4, 2, 4)
        assert settings.own.critic_lr == pytest.approx(8e-4 * own.critic_lr / own.generator_lr)
        assert (settings.batch_images, settings.generator_batch_images) == (4, 3)
        assert settings.lr_decay == "none"
        assert settings.ema_half_life_images > 0


def test_the_best_of_the_grid_runs_with_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "train_and_score", fake_trial({"0.0004/1": 0.1, "0.0001/2": 0.2}))
    found = measurement(tmp_path)
    assert found.chosen("sn-gan") is None  # not before the whole grid is there
    found.measure()
    assert found.chosen("sn-gan") == Choice("sn-gan", 4e-4, 1)
    names = sorted(path.name for path in (tmp_path / "runs").glob("*-s*.json"))
    assert names == [f"{o}-lr0.0004-c1-s{s}.json" for o in ("sn-gan", "wgan-gp") for s in (0, 1)]
    assert len(list((tmp_path / "tune-sn-gan").glob("*-lr*.json"))) == 4


def test_runs_wait_for_the_tuning_and_any_order_gives_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train_and_score", fake_trial({"0.0004/1": 0.1, "0.0001/2": 0.2}))
    phases: list[set[str]] = []

    def backwards(trials: Trials, missing: Mapping[str, Make]) -> dict[str, str]:
        phases.append({trials.folder.name})
        for name in reversed(list(missing)):
            trials.make(name, missing[name])
        return {}

    tables = []
    for name, ahead in (("plain", None), ("ahead", backwards)):
        token = AHEAD.set(ahead)
        try:
            mine = measurement(tmp_path / name)
            mine.measure()
        finally:
            AHEAD.reset(token)
        tables.append((mine.results(), format_table(write_summary(mine.results(), tmp_path / name, "wall"))))
    assert tables[0] == tables[1]
    assert phases == [{"tune-sn-gan"}, {"tune-wgan-gp"}, {"runs"}]


def test_one_choice_needs_no_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "train_and_score", fake_trial({}))
    found = measurement(tmp_path, Plan(**{**vars(PLAN), "rates": (4e-4,), "critic_steps": (2,)}))
    found.measure()
    assert found.chosen("sn-gan") == Choice("sn-gan", 4e-4, 2)
    assert not list(tmp_path.glob("tune-*/*-lr*.json"))
    assert len(list((tmp_path / "runs").glob("*-s*.json"))) == 4
    assert [len(its["runs"]) for its in found.results().values()] == [2, 2]


def test_diverged_choices_are_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {f"{rate}/{steps}": None for rate in ("0.0001", "0.0004") for steps in (1, 2)}
    monkeypatch.setattr(module, "train_and_score", fake_trial({**everything, "0.0001/2": 0.9}))  # type: ignore[dict-item]
    found = measurement(tmp_path / "a")
    found.measure()
    assert found.chosen("sn-gan") == Choice("sn-gan", 1e-4, 2)
    monkeypatch.setattr(module, "train_and_score", fake_trial(everything))  # type: ignore[arg-type]
    found = measurement(tmp_path / "b")
    found.measure()
    assert found.chosen("sn-gan") is None
    summary = write_summary(found.results(), tmp_path / "b")
    assert "| sn-gan" in format_table(summary)


def test_a_wider_grid_leaves_runs_of_another_choice_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "train_and_score", fake_trial({"0.0004/1": 0.2, "0.0008/1": 0.1}))
    measurement(tmp_path).measure()
    wider = measurement(tmp_path, Plan(**{**vars(PLAN), "rates": (1e-4, 4e-4, 8e-4)}))
    wider.measure()
    assert {record["choice"] for record in wider.results()["sn-gan"]["runs"]} == {"sn-gan-lr0.0008-c1"}
    assert len(list((tmp_path / "runs").glob("sn-gan*"))) == 4


def test_a_stop_loses_the_trial_at_hand_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    train = fake_trial({})

    def stopping(*arguments: Any, **options: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(module, "train_and_score", stopping)
    with pytest.raises(KeyboardInterrupt):
        measurement(tmp_path).measure()
    measurement(tmp_path).measure()
    assert len(calls) == 2 * 4 + 2 * 2 + 1
    with pytest.raises(UserError, match="other settings"):
        measurement(tmp_path, Plan(**{**vars(PLAN), "critic_width": 8}))


def test_all_that_are_registered_are_measured_where_none_is_named(tmp_path: Path) -> None:
    whole = measurement(tmp_path, Plan(**{**vars(PLAN), "objectives": ()}))
    assert whole.objectives == tuple(OBJECTIVES)
    assert set(whole.results()) == set(OBJECTIVES)
    twice = measurement(tmp_path, Plan(**{**vars(PLAN), "objectives": ("mmd", "sn-gan", "mmd")}))
    assert twice.objectives == ("mmd", "sn-gan")


def test_an_unknown_objective_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown objective 'no-gan'"):
        measurement(tmp_path / "out", Plan(**{**vars(PLAN), "objectives": ("sn-gan", "no-gan")}))
    assert not (tmp_path / "out").exists()


def test_mean_and_spread_over_seeds(tmp_path: Path) -> None:
    def record(seed: int, fid: float) -> dict[str, Any]:
        numbers = {"steps": 10, "seconds": 60.0, "processor_seconds": 30.0, "kid": fid / 100, "kid_std": 0.0}
        mark = {"mark": 60.0, "fid": fid, **numbers, "precision": 0.1, "recall": 0.2}
        return {"seed": seed, "history": [mark], "num_parameters": 9, "steps": 10}

    choice = {"objective": "mmd", "rate": 2e-4, "critic_steps": 1}
    failed = {"seed": 2, "history": [], "failed": "x", "num_parameters": 9, "steps": 1}
    results = {
        "ct-gan": {"choice": None, "tuning": {}, "runs": []},
        "mmd": {"choice": choice, "tuning": {}, "runs": [record(0, 10.0), record(1, 14.0), failed]},
    }
    summary = write_summary(results, tmp_path)
    assert summary["mmd"]["marks"][0]["fid"] == {"mean": 12.0, "std": pytest.approx(8**0.5)}
    assert (summary["mmd"]["seeds"], summary["mmd"]["diverged_seeds"]) == ([0, 1], [2])
    assert json.loads((tmp_path / "summary.json").read_text())["mmd"]["num_parameters"] == 9
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2] == "| mmd | 0.0002 | 1 | 2, 1 diverged | 10 | 0.50 | 12.0 ± 2.8 | 120.0 ± 28.3 |"
    assert lines[3].startswith("| ct-gan |")
    assert all((tmp_path / name).stat().st_size > 0 for name in ("score-against-time.png", "tuning.png"))


def test_a_tiny_measurement_from_end_to_end(tmp_path: Path) -> None:
    plan = Plan(**{**vars(PLAN), "rates": (2e-4,), "critic_steps": (1,), "seeds": 1})
    found = measurement(tmp_path, plan)
    found.measure()
    summary = write_summary(found.results(), tmp_path)
    assert [len(summary[name]["marks"]) for name in plan.objectives] == [2, 2]
    record = found.results()["wgan-gp"]["runs"][0]
    assert {"steps", "seconds", "processor_seconds", "load_average", "num_threads", "gan"} <= set(record)
    assert record["history"][-1]["seconds"] >= 60 * plan.minutes
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*-lr*.json")}
    again = measurement(tmp_path, plan)
    again.scorer.ready = pytest.fail  # type: ignore[method-assign, assignment]
    again.measure()
    assert {path: path.stat().st_mtime_ns for path in before} == before
