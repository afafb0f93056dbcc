"""The contest as it runs: trials that go on, kills, several processes, and the whole command on digits."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contest_tables import SPACE, search
from one_by_one import made_one_by_one
from tiny_extractor import TinyExtractor
from toy_gan import toy_images

from degas.cli.main import main
from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas.gan.state import Steps
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import EvaluateSettings, GanSettings
from degas_lab.contest.candidates import Candidate
from degas_lab.contest.claims import claimed
from degas_lab.contest.judging import Judge, steps_taken
from degas_lab.contest.plan import Plan
from degas_lab.contest.propose import Proposer
from degas_lab.contest.runner import Contest
from degas_lab.contest.trainer import baseline_like, build
from degas_lab.contest.verdict import Contestant, verdict
from degas_lab.trainings.scorer import Scorer

GAN = GanSettings(objective="sn-gan", num_steps=3, width=4, batch_images=4)
WRITTEN = ("candidates.json", "rungs.json", "effects.json", "architecture.json")


def contest(folder: Path, **changes: Any) -> Contest:
    plan = Plan(**{"num_candidates": 5, "promote": (3, 2), "seeds": (0, 1), "gan": GAN, **changes})
    scorer = Scorer(toy_images(16, 16), EvaluateSettings(num_samples=12), extractor=freeze(TinyExtractor()))
    engine = Engine(device="cpu")
    return Contest(toy_images(16, 16), search(), SPACE, plan, folder, scorer, engine=engine, say=lambda line: None)


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in WRITTEN}


def scores(folder: Path) -> dict[str, Any]:
    """What trials say, times aside."""
    found = {}
    for path in (folder / "trials").glob("*-s*.json"):
        record = json.loads(path.read_text())
        found[path.stem] = [(mark["steps"], mark["fid"]) for mark in record["history"]]
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contest")
    contest(folder).run()
    return folder


def test_it_trains_rung_by_rung_and_leaves_no_checkpoint(finished: Path) -> None:
    found = scores(finished)
    rungs = json.loads((finished / "rungs.json").read_text())
    assert [len(rung["standings"]) for rung in rungs] == [5, 3, 2]
    finalists = [one["name"] for one in rungs[2]["standings"]]
    for rung in rungs[1]["standings"]:
        assert [step for step, _ in found[f"{rung['name']}-s0"]] == [1, 3]
    assert [step for name in finalists for step, _ in found[f"{name}-s1"]] == [3, 3]
    assert len(found) == 5 + 2
    assert [path.name for path in (finished / "trials").iterdir() if path.is_dir()] == [".claims"]
    provenance = json.loads((finished / "architecture.json").read_text())["provenance"]
    assert provenance["method"] == "contest"


def test_a_promoted_trial_has_the_bits_of_an_unbroken_one(finished: Path, tmp_path: Path) -> None:
    again = contest(tmp_path)
    name = json.loads((finished / "rungs.json").read_text())[1]["standings"][0]["name"]
    candidate = next(one for one in again.candidates if one.name == name)
    assert again.trainer.train(name, again.described(candidate), 0, 3)
    assert scores(tmp_path)[f"{name}-s0"] == scores(finished)[f"{name}-s0"]


def test_what_is_deleted_is_written_again_with_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    for name in WRITTEN:
        (folder / name).unlink()
    contest(folder).run()
    assert results(folder) == results(finished)


def test_on_another_processor_it_goes_on_with_its_own_proposals(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    exact = Proposer.candidate

    def rounded(self: Proposer, *which: Any) -> Candidate:
        one = exact(self, *which)
        return replace(one, glo_value=one.glo_value + 1e-9)

    monkeypatch.setattr(Proposer, "candidate", rounded)
    contest(folder).run()
    assert results(folder) == results(finished)
    (folder / "candidates.json").write_text("[")
    with pytest.raises(UserError, match=r"other settings: proposed was"):
        contest(folder)


@pytest.mark.slow
def test_killed_at_every_step_it_comes_to_the_same(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process takes two steps and is killed in the third."""
    step, left = Steps.both, [0]

    def killed(self: Steps, number: int) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return step(self, number)

    monkeypatch.setattr(Steps, "both", killed)
    kills = 0
    while True:
        left[0] = 2
        try:
            contest(tmp_path, gan=GAN.model_copy(update={"checkpoint_steps": 1})).run()
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 5
    assert scores(tmp_path) == scores(finished)
    kept = ("candidates.json", "rungs.json", "effects.json")
    assert [results(tmp_path)[name] for name in kept] == [results(finished)[name] for name in kept]


def test_a_candidate_that_diverges_is_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, calls = Steps.both, [0]

    def diverging(self: Steps, number: int) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise NonFiniteError("step 1: critic loss is nan")
        return step(self, number)

    monkeypatch.setattr(Steps, "both", diverging)
    contest(tmp_path).run()
    last = json.loads((tmp_path / "rungs.json").read_text())[0]["standings"][-1]
    assert (last["name"], last["diverged"], last["promoted"]) == ("c1", True, False)
    assert not (tmp_path / "trials" / "c1-s0").exists()


@pytest.mark.slow
def test_rungs_made_side_by_side_come_to_the_same(finished: Path, tmp_path: Path) -> None:
    """Each training is made by a contest that ends with it, the last one first."""
    with made_one_by_one(lambda: contest(tmp_path).run()) as made:
        contest(tmp_path).run()
    assert results(tmp_path) == results(finished)
    assert scores(tmp_path) == scores(finished)
    assert len(made) == 5 + 3 + 2  # those of a rung, of which the second continues the first
    assert [path.name for path in (tmp_path / "trials").iterdir() if path.is_dir()] == [".claims"]


def test_two_processes_never_train_the_same(tmp_path: Path) -> None:
    made = contest(tmp_path)
    one = made.candidates[0]
    with claimed(tmp_path / "trials" / ".claims" / "c1-s0") as mine:
        assert mine
        assert not made.trainer.train(one.name, made.described(one), 0, 1)
    assert made.trainer.train(one.name, made.described(one), 0, 1)


def test_other_settings_and_other_generators_are_refused(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    with pytest.raises(UserError, match=r"other settings: contest\.num_candidates was 5 and is 6 now"):
        contest(folder, num_candidates=6)
    path = folder / "trials" / "c1-s0.json"
    record = json.loads(path.read_text())
    record["generator"]["architecture"]["width"] = 5
    path.write_text(json.dumps(record))
    made = contest(folder)
    with pytest.raises(UserError, match=r"c1-s0.json: is a trial of another generator than the current c1"):
        made.trainer.train("c1", made.described(made.candidates[0]), 0, 1)


def test_what_is_no_schedule_is_refused() -> None:
    for changes, words in (
        ({"promote": (3, 4)}, "--promote"),
        ({"promote": (40, 4)}, "--promote"),
        ({"seeds": (1, 1)}, "--seeds: a seed is given twice"),
        ({"first_share": 0.99, "gan": GAN}, "--first-share"),
    ):
        with pytest.raises(UserError, match=words):
            Plan(**changes).schedule  # type: ignore[arg-type]  # noqa: B018
    with pytest.raises(ValueError, match="less than or equal to 999"):
        Plan(seeds=(1000,))


@pytest.mark.slow
def test_the_verdict_trains_on_fresh_seeds_only(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    before = set(scores(folder))
    made = contest(folder)
    outcome = made.run()
    found = Judge(made, ("found", "random", "resnet")).judge(outcome, 2)
    assert json.loads((folder / "verdict.json").read_text()) == found
    assert {one["num_seeds"] for one in found["comparisons"]} == {2}
    added = {name: int(name.rpartition("-s")[2]) for name in set(scores(folder)) - before}
    assert {seed for name, seed in added.items() if not name.startswith("r")} == {1000, 1001}
    count = max(1, round(steps_taken(outcome, 3) / (2 * 3)))
    assert {name for name in added if name[0] == "r" and name[1].isdigit() and added[name] < 1000} == {
        f"r{k}-s{seed}" for k in range(1, count + 1) for seed in (0, 1)
    }
    names = {one["against"] for one in found["comparisons"]}
    assert {"resnet"} <= names <= {"found", "random", "resnet"}
    assert outcome.winner is not None
    pair = (Contestant("winner", outcome.winner.name), [Contestant("resnet", "resnet")])
    before_spoiling = verdict(made.trials.records(), *pair, seeds=(1000, 1001), steps=3)
    for path in (folder / "trials").glob("*-s[0-9].json"):  # selection's scores, spoilt: the verdict stays
        record = json.loads(path.read_text())
        record["history"] = [{**mark, "fid": 1.0, "kid": 1.0} for mark in record["history"]]
        path.write_text(json.dumps(record))
    assert verdict(made.trials.records(), *pair, seeds=(1000, 1001), steps=3) == before_spoiling


def test_a_baseline_is_as_large_as_the_winner() -> None:
    from contest_tables import architecture

    like = architecture().resized(width=32, noise_size=128)
    described = baseline_like("resnet", like, 105_000)
    assert abs(build(described, Plan(), 0).num_parameters - 105_000) < 0.1 * 105_000


def test_names_of_others_are_asked_before_anything_is_trained(tmp_path: Path) -> None:
    made = contest(tmp_path)
    with pytest.raises(UserError, match="did you mean 'resnet'"):
        Judge(made, ("resnett",))
    made.sizes.save(tmp_path / "c1.json")
    with pytest.raises(UserError, match="the name 'c1' is in use here"):
        Judge(made, (str(tmp_path / "c1.json"),))


def test_a_folder_without_a_search_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["contest", "--search", tmp_path, "--data", "digits", "--out", tmp_path / "out"]
    assert main([str(word) for word in words]) == 2
    assert "holds no finished search (no pruning.json)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_on_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A search, its contest and the verdict, at the smallest sizes."""
    size = ["--data", "digits", "--data.max-images", 64, "--data.image-size", 8]
    run = tmp_path / "run"
    quick = ["--search.width", 4, "--search.num-epochs", 1, "--search.noise-size", 8, "--search.batch-images", 16]
    assert main([str(word) for word in ["search", *size, "--out", run, *quick, "--quiet"]]) == 0
    words = ["contest", "--search", run, *size, "--out", run / "contest", "--num-candidates", 4, "--promote", 2, 1]
    words += ["--gan.num-steps", 4, "--gan.width", 4, "--gan.batch-images", 8, "--gan.generator-batch-images", 8]
    words += ["--evaluate.num-samples", 16, "--verdict", "--num-verdict-seeds", 2, "--seeds", 0]
    words += ["--against", "resnet"]
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr().out
    assert "winner" in said
    verdict = json.loads((run / "contest" / "verdict.json").read_text())
    assert {one["verdict"] for one in verdict["comparisons"]} <= {"better", "not told apart", "worse"}
    assert verdict["comparisons"]
    assert main(["describe", str(run / "contest")]) == 0
