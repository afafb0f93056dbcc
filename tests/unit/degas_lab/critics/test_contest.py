"""A contest of critics as it runs at tiny sizes: files, kills, promoted trainings, refusals, and the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from one_by_one import made_one_by_one
from tiny_extractor import TinyExtractor
from toy_gan import toy_images

from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas.gan.state import Steps
from degas.runtime.distributed import Engine
from degas.settings.sections import EvaluateSettings, GanSettings
from degas.space.critic import CriticLayout, CriticStage
from degas_lab.critics import contest as module
from degas_lab.critics import paces as paces_module
from degas_lab.critics.contest import CriticContest
from degas_lab.critics.contest_plan import Plan
from degas_lab.trainings.scorer import Scorer

GAN = GanSettings(objective="sn-gan", num_steps=4, width=4, batch_images=4, noise_size=6)
WRITTEN = ("candidates.json", "rungs.json", "critic.json")


@pytest.fixture(autouse=True)
def _equal_paces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are not the same twice; these are."""
    monkeypatch.setattr(module, "paces", lambda trainings: {n: 1.0 + 0.5 * (n != "resnet") for n in trainings})


def contest(folder: Path, critics: tuple[str, ...] = (), **changes: Any) -> CriticContest:
    plan = Plan(**{"num_candidates": 4, "promote": (3, 2), "seeds": (0, 1), "gan": GAN, **changes})
    scorer = Scorer(toy_images(16, 8), EvaluateSettings(num_samples=12), extractor=freeze(TinyExtractor()))
    engine = Engine(device="cpu")
    quiet = {"engine": engine, "say": lambda line: None}
    return CriticContest(toy_images(16, 8), "resnet", critics, plan, folder, scorer, **quiet)


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in WRITTEN}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "paces", lambda trainings: {n: 1.0 + 0.5 * (n != "resnet") for n in trainings})
        contest(folder).run()
    return folder


def test_the_files_of_a_contest(finished: Path) -> None:
    rungs = json.loads((finished / "rungs.json").read_text())
    assert [len(rung["standings"]) for rung in rungs] == [4, 3, 2]
    steps = {name: one["steps"] for name, one in json.loads((finished / "paces.json").read_text()).items()}
    assert steps["resnet"] == 4
    assert {count for name, count in steps.items() if name != "resnet"} == {3}  # 4 / 1.5
    for one in rungs[1]["standings"]:
        made = json.loads((finished / "trials" / f"{one['name']}-s0.json").read_text())
        assert [mark["steps"] for mark in made["history"]] == [1, steps[one["name"]]]
    layout = CriticLayout.load(finished / "critic.json")
    winner = rungs[2]["standings"][0]["name"]
    known = {one["name"]: one["digest"] for one in json.loads((finished / "candidates.json").read_text())}
    assert layout.digest == known[winner]
    assert layout.provenance["method"] == "critic contest"
    assert [path.name for path in (finished / "trials").iterdir() if path.is_dir()] == [".claims"]


class Killed(BaseException):
    pass


def test_a_killed_contest_continues_to_the_same_bytes(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, count = Steps.both, [0]

    def stop(self: Steps, step: int) -> Any:
        count[0] += 1
        if count[0] % 5 == 0:
            raise Killed
        return take(self, step)

    monkeypatch.setattr(Steps, "both", stop)
    for _ in range(40):
        try:
            contest(tmp_path).run()
            break
        except Killed:
            continue
    assert count[0] > 10
    assert results(tmp_path) == results(finished)


@pytest.mark.slow
def test_rungs_made_side_by_side_come_to_the_same(finished: Path, tmp_path: Path) -> None:
    """Each training is made by a contest that ends with it, the last one first."""
    with made_one_by_one(lambda: contest(tmp_path).run()) as made:
        contest(tmp_path).run()
    assert results(tmp_path) == results(finished)
    assert len(made) == 4 + 3 + 2
    assert [path.name for path in (tmp_path / "trials").iterdir() if path.is_dir()] == [".claims"]


def test_decisions_are_made_again_from_the_trials_alone(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    for name in WRITTEN:
        (tmp_path / "copy" / name).unlink()
    contest(tmp_path / "copy").run()
    assert results(tmp_path / "copy") == results(finished)


def test_the_verdict_compares_with_the_default_on_new_seeds(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    made = contest(tmp_path / "copy")
    outcome = made.run()
    outcome.winner = next(name for name in made.candidates if name != "resnet")
    found = made.judge(outcome, 2)
    assert [(one["against"], one["metric"], one["num_seeds"]) for one in found["comparisons"]] == [
        ("resnet", "fid", 2),
        ("resnet", "kid", 2),
    ]
    assert all(one["time_ratio"] > 0 for one in found["comparisons"])
    assert json.loads((tmp_path / "copy" / "verdict.json").read_text()) == found
    outcome.winner = "resnet"
    assert made.judge(outcome, 2) == {"comparisons": []}


def test_a_given_critic_takes_part_by_its_content(tmp_path: Path) -> None:
    CriticLayout((CriticStage("max_pool"), CriticStage("max_pool"))).save(tmp_path / "mine.json")
    first = contest(tmp_path / "run", (str(tmp_path / "mine.json"),))
    assert "given-1" in first.candidates
    (tmp_path / "mine.json").rename(tmp_path / "moved.json")
    contest(tmp_path / "run", (str(tmp_path / "moved.json"),))
    with pytest.raises(UserError, match="holds trials of other settings: candidates was"):
        contest(tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gan": GAN.model_copy(update={"critic": "resnet"})}, "--gan.critic: has no meaning in a contest of critics"),
        ({"promote": (2, 3)}, "--promote: needs two numbers"),
        ({"seeds": (1, 1)}, "--seeds: a seed is given twice"),
        ({"first_share": 0.99}, "--first-share: leaves nothing of 4 steps"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        contest(tmp_path / "new", **changes)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "new").exists()


def test_paces_are_medians_of_steps_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[tuple[str, int]] = []

    class Fake:
        engine = Engine(device="cpu")

        def __init__(self, name: str) -> None:
            self.name = name

        def both(self, step: int) -> None:
            turns.append((self.name, step))

    seconds = iter([9.0, 9.0, 3.0, 5.0, 1.0, 7.0, 2.0, 6.0])  # the first step of each warms up

    class FakeWatch:
        def __init__(self, device: Any) -> None:
            pass

        def start(self) -> None:
            pass

        def stop(self) -> dict[str, float]:
            return {"processor": next(seconds), "wall": 100.0}

    monkeypatch.setattr(paces_module, "Stopwatch", FakeWatch)
    assert paces_module.paces({"a": Fake("a"), "b": Fake("b")}, rounds=3) == {"a": 2.0, "b": 6.0}  # type: ignore[dict-item]
    assert turns == [(name, step) for step in range(4) for name in ("a", "b")]
