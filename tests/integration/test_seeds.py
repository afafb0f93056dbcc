"""`degas search --seeds`: a consensus over whole searches, resumed after a kill, read by the commands that follow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forced_pool import ORDERS, ForcedPool
from PIL import Image

import degas
from degas.cli import main as cli
from degas.errors import UserError
from degas.nas.results.agreement import mean_alpha
from degas.runtime.run_folder import read_jsonl
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import choices, prune

SIZE = ("--data.image-size", "8", "--preset", "paper-space", "--quiet")
TINY = (
    *("--search.width", "4", "--search.noise-size", "8", "--search.num-epochs", "3", "--search.batch-images", "8"),
    *("--search.plateau-share", "0", "--search.log-steps", "1", "--search.checkpoint-steps", "2"),
)
SPACE = SearchSpace(1)
WARNING = "ignore:.*:UserWarning"  # tiny searches end as they will


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("seeds") / "images", np.random.default_rng(0)
    folder.mkdir()
    for k in range(16):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{k:02d}.png")
    return folder


def command(images: Path, out: Path, *more: str) -> list[str]:
    rule = () if "--search.prune" in more else ("--search.prune", "paper")  # by α, as most tests here are about
    return ["search", "--data", str(images), "--out", str(out), *SIZE, *TINY, *rule, *more]


@pytest.fixture(scope="module")
def straight(images: Path) -> Path:
    """A run of two seeds that nobody disturbed."""
    out = images.parent / "straight"
    assert cli.main(command(images, out, "--seeds", "2", "--seed", "3")) == 0
    return out


def results(run: Path) -> dict[str, bytes]:
    """What must not depend on interruptions."""
    left_out = {"timing.jsonl", "environment.json", ".lock", "config.json"}
    files = [path for path in sorted((run / "search").rglob("*")) if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(run)): path.read_bytes() for path in files if "checkpoints" not in path.parts}


def test_agreement_json_has_the_contracts_keys_and_is_what_the_searches_say(straight: Path) -> None:
    found = json.loads((straight / "search" / "agreement.json").read_text())
    assert {"seeds", "num_decisions", "mean_equal_decisions", "chance", "kendall_tau"} <= set(found)
    assert (found["seeds"], found["num_decisions"]) == ([3, 4], 3)
    kept = [Architecture.load(straight / "search" / f"seed-{seed}" / "architecture.json").edges for seed in (3, 4)]
    a, b = (choices(edges, SPACE) for edges in kept)
    assert found["mean_equal_decisions"] == sum(a[name] == b[name] for name in a)
    assert [record["choices"] for record in found["decisions"]] == [{"3": a[name], "4": b[name]} for name in a]


def test_the_consensus_is_pruned_from_the_mean_alpha(straight: Path) -> None:
    names = {slot.name for slot in SPACE.slots}
    records = [read_jsonl(straight / "search" / f"seed-{seed}" / "alpha.jsonl") for seed in (3, 4)]
    alphas = [{k: v for k, v in record[-1].items() if k in names} for record in records]
    mean = mean_alpha(alphas)
    consensus = Architecture.load(straight / "search" / "architecture.json")
    assert consensus.edges == prune(mean, SPACE)
    assert consensus.provenance["method"] == "consensus of searches"
    assert consensus.provenance["seeds"] == [3, 4]
    written = read_jsonl(straight / "search" / "alpha.jsonl")
    assert [record["epoch"] for record in written] == [1, 2, 3]
    assert {name: written[-1][name] for name in names} == mean
    losses = [read_jsonl(straight / "search" / f"seed-{seed}" / "metrics.jsonl")[-1]["epoch_loss"] for seed in (3, 4)]
    assert read_jsonl(straight / "search" / "metrics.jsonl")[-1]["loss"] == pytest.approx(sum(losses) / 2)
    for name in ("agreement.png", "architecture.png"):
        with Image.open(straight / "search" / name) as picture:
            assert min(picture.size) > 100


def test_each_seed_is_the_search_that_it_would_be_alone(straight: Path, images: Path, tmp_path: Path) -> None:
    assert cli.main(command(images, tmp_path, "--seed", "4")) == 0
    for name in ("architecture.json", "alpha.jsonl", "metrics.jsonl", "pruning.json", "glo_samples.png"):
        alone, together = (tmp_path / "search" / name, straight / "search" / "seed-4" / name)
        assert alone.read_bytes() == together.read_bytes(), name


def test_it_prints_how_far_they_agree_and_a_single_search_how_sure_it_is(
    images: Path, straight: Path, tmp_path: Path, capsys: Any
) -> None:
    assert cli.main(command(images, straight, "--seeds", "2", "--seed", "3", "--resume")) == 0
    printed = capsys.readouterr().out
    assert "2 seeds agree on" in printed
    assert all(name in printed for name in ("N1 direct", "U1 direct", "U1 residual", "agreement.png"))
    assert cli.main(command(images, tmp_path)) == 0
    printed = capsys.readouterr().out
    decided = json.loads((tmp_path / "search" / "pruning.json").read_text())["decisions"]
    for decision in decided:
        line = next(line for line in printed.splitlines() if line.strip().startswith(decision["name"]))
        assert decision["choice"] in line
        assert f"{decision['margin']:.4f} ahead of {decision['runner_up']}" in line or decision["margin"] is None
    assert "another way to compare α across edges would change" in printed


def test_the_commands_that_follow_take_the_run(straight: Path, images: Path, tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["describe", str(straight), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"]["seeds"] == [3, 4]
    assert cli.main(["report", str(straight), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "2 seeds agree on" in page
    assert "U1 residual" in page
    gan = ("--gan.num-steps", "1", "--gan.width", "4", "--gan.batch-images", "4")
    train = ["train", "--architecture", str(straight), "--data", str(images), "--out", str(tmp_path), *SIZE, *gan]
    assert cli.main(train) == 0


def test_finished_seeds_are_not_searched_again(straight: Path, images: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Killed after the last search, before the consensus: no step is taken, and the bytes are the same."""
    import shutil

    from degas.nas.state import Search

    out = tmp_path / "run"
    shutil.copytree(straight, out)
    expected = results(straight)
    for name in ("done.json", "architecture.json", "agreement.json", "agreement.png"):
        (out / "search" / name).unlink()
    with (out / "search" / "alpha.jsonl").open("a") as log:
        log.write('{"step": 99, "epo')  # half a line
    monkeypatch.setattr(Search, "step", lambda *_: pytest.fail("searched again"))
    assert cli.main(command(images, out, "--seeds", "2", "--seed", "3", "--resume")) == 0
    assert results(out) == expected


@pytest.mark.parametrize("choose", ORDERS)
def test_searches_side_by_side_give_the_same_bytes_in_any_order(
    choose: str, straight: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ForcedPool(ORDERS[choose])
    monkeypatch.setattr("degas.cli.seeds.make_pool", lambda options, folder: pool)
    assert cli.main(command(images, tmp_path, "--seeds", "2", "--seed", "3", "--processes", "2")) == 0
    assert sorted(pool.order) == ["seed-3", "seed-4"]
    found = {name: data for name, data in results(tmp_path).items() if "processes" not in name}
    assert found == results(straight)


def test_processes_need_several_searches(images: Path, tmp_path: Path, capsys: Any) -> None:
    assert cli.main(command(images, tmp_path / "x", "--processes", "2")) == 2
    assert "--processes: counts for the searches of --seeds; give --seeds as well" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_search_that_fails_is_told(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("degas.cli.seeds.make_pool", lambda options, folder: ForcedPool(ORDERS["first"]))
    monkeypatch.setattr("degas.cli.search.search_seed", lambda options: _reject())
    assert cli.main(command(images, tmp_path, "--seeds", "2", "--processes", "2")) == 2
    assert "2 of 2 searches failed; seed-0: too few images (see " in capsys.readouterr().err


def _reject() -> None:
    raise UserError("too few images")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_killed_in_a_seed_it_resumes_to_the_same_bits(seed: int, straight: Path, images: Path, tmp_path: Path) -> None:
    arguments = command(images, tmp_path, "--seeds", "2", "--seed", "3")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "degas", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )
    metrics = tmp_path / "search" / f"seed-{seed}" / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "search" / "done.json").exists()
    assert cli.main([*arguments, "--resume"]) == 0
    assert results(tmp_path) == results(straight)


@pytest.mark.filterwarnings(WARNING)
def test_from_python(images: Path, tmp_path: Path) -> None:
    small = {"width": 4, "noise_size": 8, "num_epochs": 1, "batch_images": 8, "plateau_share": 0}
    given: dict[str, Any] = {"progress": False, "search": small, "data_settings": {"image_size": 8}}
    found = degas.search(images, tmp_path, seeds=2, **given)
    assert found == Architecture.load(tmp_path / "search" / "architecture.json")
    for number in (0, 1, -3):
        with pytest.raises(UserError, match="agreement needs two or more"):
            degas.search(images, tmp_path / "other", seeds=number, **given)
    with pytest.raises(UserError, match="give the name of a tracker"):
        degas.search(images, tmp_path / "other", seeds=2, tracker=Recorder(), **given)
    assert not (tmp_path / "other").exists()


class Recorder:
    def scalars(self, step: int, values: Any) -> None: ...
    def image(self, step: int, name: str, pixels: Any) -> None: ...
    def histograms(self, step: int, values: Any) -> None: ...
    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ((), ("--seeds", "2"), "holds a finished run; give another --out"),
        ((), ("--seeds", "2", "--resume"), "cannot resume: num_seeds was unset and is 2 now"),
        (("--seeds", "2"), ("--seeds", "3", "--resume"), "cannot resume: num_seeds was 2 and is 3 now"),
        (("--seeds", "2"), ("--resume",), "cannot resume: num_seeds was 2 and is unset now"),
    ],
)
def test_a_folder_of_another_kind_of_search_is_refused(
    before: tuple[str, ...], after: tuple[str, ...], message: str, images: Path, tmp_path: Path, capsys: Any
) -> None:
    short = (*before, "--search.num-epochs", "1")
    assert cli.main(command(images, tmp_path, *short)) == 0
    capsys.readouterr()
    assert cli.main([*command(images, tmp_path, *after), "--search.num-epochs", "1"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("prune_rule", ["darts", "perturbation"])
def test_other_pruning_rules_have_a_consensus_too(prune_rule: str, images: Path, tmp_path: Path) -> None:
    more = ("--seeds", "2", "--search.prune", prune_rule, "--search.num-epochs", "1")
    assert cli.main(command(images, tmp_path, *more)) == 0
    found = json.loads((tmp_path / "search" / "agreement.json").read_text())
    consensus = choices(Architecture.load(tmp_path / "search" / "architecture.json").edges, SPACE)
    assert {record["name"]: record["consensus"] for record in found["decisions"]} == consensus


def test_a_cap_holds_for_the_consensus(images: Path, tmp_path: Path) -> None:
    from degas.nets.cost import architecture_cost

    cap = 1700
    more = ("--seeds", "2", "--search.max-params", str(cap), "--search.num-epochs", "1")
    status = cli.main(command(images, tmp_path, *more))
    assert status == 0
    assert architecture_cost(Architecture.load(tmp_path / "search" / "architecture.json")).num_parameters <= cap
