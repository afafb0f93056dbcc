"""Grown searches end to end, on tiny images: every stage an ordinary search, and the whole one architecture."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import degas
from degas.data.image_set import ImageSet, area_downsampled
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.nas.checks import check_settings
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.nas.grow.network import GrownSupernet
from degas.nas.grow.plan import parts_of
from degas.nas.job import Place
from degas.nas.loop import progress_of
from degas.nas.searched_space import load_prefix
from degas.nas.signal import EARLIER_RATE, SMALLER_WEIGHT
from degas.nas.state import Search
from degas.nets.cost import architecture_cost
from degas.runtime.checkpoint import load_newest
from degas.runtime.distributed import Engine
from degas.runtime.json_files import read_jsonl
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

Make = Callable[..., Any]
SPACE = SpaceSettings(normal_operations=("conv_1x1", "conv_3x3", "skip"))
RESULTS = ("architecture.json", "alpha.jsonl", "mixing.jsonl", "metrics.jsonl", "pruning.json", "degenerate.json")
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")  # tiny searches end as they will


def search(images: ImageSet, out: Path, settings: SearchSettings, **more: Any) -> Architecture:
    return degas.search(images, out, search=settings, space=SPACE, progress=False, device="cpu", **more)


@pytest.fixture(scope="module")
def settings(make_settings: Make) -> SearchSettings:
    found: SearchSettings = make_settings(grow=True, prune="alone", schedule="joint", perturbation_batches=1)
    return found


@pytest.fixture(scope="module")
def straight(make_images: Make, settings: SearchSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grown search of three stages that nobody disturbed."""
    out = tmp_path_factory.mktemp("grown") / "straight"
    search(make_images(16, size=32), out, settings)
    return out / "search"


def files(folder: Path) -> dict[str, bytes]:
    """What must not depend on interruptions."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and "checkpoints" not in path.parts]
    left_out = ("timing.jsonl", "environment.json", ".lock", "config.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name not in left_out}


def state(folder: Path) -> dict[str, Any]:
    found = load_newest(folder / "checkpoints", print)
    assert found is not None
    return found[1]


def test_the_whole_is_one_architecture_with_the_decisions_of_all_stages(straight: Path) -> None:
    found = Architecture.load(straight / "architecture.json")
    assert (found.image_size, found.num_stages) == (32, 3)
    assert found.provenance["grown"] == [8, 16, 32]
    assert found.num_given_stages == 0  # nothing was given by the user
    assert found.provenance["search"]["grow"] is True
    stages = [Architecture.load(straight / f"grow-{size:03d}" / "architecture.json") for size in (8, 16, 32)]
    assert stages[2].edges == found.edges
    for before, after in itertools.pairwise(stages):
        assert after.edges[: len(before.edges)] == before.edges
        assert after.num_given_stages == before.num_stages
    pruning = json.loads((straight / "pruning.json").read_text())
    names = [f"{node} {part}" for k in (1, 2, 3) for node, part in ((f"N{k}", "direct"), (f"U{k}", "direct"))]
    assert {one["name"] for one in pruning["decisions"]} == {*names, *(f"U{k} residual" for k in (1, 2, 3))}
    assert set(pruning["values"]) == {slot.name for slot in SearchSpace(3).slots}
    assert set(pruning["perturbation"]["before"]) == set(found.graph.nodes[1:])
    growth = json.loads((straight / "growth.json").read_text())
    assert [(one["folder"], one["image_size"]) for one in growth] == [
        *(("grow-008", 8), ("grow-016", 16), ("grow-032", 32)),
    ]
    assert [len(one["choices"]) for one in growth] == [3, 3, 3]
    for one in growth:
        last = read_jsonl(straight / one["folder"] / "metrics.jsonl")[-1]
        assert (one["num_steps"], one["loss"]) == (last["step"], last["epoch_loss"])
    for name in ("alpha.jsonl", "reconstructions.png"):
        assert (straight / name).read_bytes() == (straight / "grow-032" / name).read_bytes()
    assert (straight / "architecture.png").stat().st_size > 1000


def test_the_first_stage_is_the_plain_search_of_the_smaller_images_to_the_bit(
    straight: Path, make_images: Make, settings: SearchSettings, tmp_path: Path
) -> None:
    images = area_downsampled(make_images(16, size=32), 8)
    search(images, tmp_path / "plain", settings.model_copy(update={"grow": False}))
    plain = tmp_path / "plain" / "search"
    for name in RESULTS:
        assert (plain / name).read_bytes() == (straight / "grow-008" / name).read_bytes(), name


@pytest.mark.parametrize("seeds", [None, 2])
def test_one_stage_is_the_plain_search_to_the_bit(
    seeds: int | None, make_images: Make, settings: SearchSettings, tmp_path: Path
) -> None:
    images = make_images(16, size=8)
    runs = [tmp_path / name for name in ("grown", "plain")]
    for run, grow in zip(runs, (True, False), strict=True):
        search(images, run, settings.model_copy(update={"grow": grow}), seeds=seeds)
    grown, plain = (files(run / "search") for run in runs)
    for name, text in grown.items():  # the settings in the provenance tell that it was asked to grow
        assert text.replace(b'"grow": true', b'"grow": false') == plain[name], name
    assert set(grown) == set(plain)
    if seeds is None:
        ours, theirs = (state(run / "search") for run in runs)
        for name, value in ours["signal"]["network"].items():
            assert torch.equal(value, theirs["signal"]["network"][name]), name
        assert torch.equal(ours["signal"]["latents"]["rows"], theirs["signal"]["latents"]["rows"])


@pytest.mark.parametrize("place", [1, 5, 6, 10])  # in the first stage, at the end of the second, and between them
def test_a_search_stopped_in_any_stage_resumes_to_the_same_bits(
    place: int, straight: Path, make_images: Make, settings: SearchSettings, tmp_path: Path, monkeypatch: Any
) -> None:
    """Four steps a stage; a checkpoint after every one."""
    monkeypatch.chdir(tmp_path)
    saving = settings.model_copy(update={"checkpoint_steps": 1})
    whole_step, taken = Search.step, []

    def step(self: Search, number: int) -> Any:
        taken.append(number)
        if len(taken) == place + 1:
            raise KeyboardInterrupt
        return whole_step(self, number)

    monkeypatch.setattr(Search, "step", step)
    with pytest.raises(KeyboardInterrupt):
        search(make_images(16, size=32), tmp_path / "run", saving)
    monkeypatch.setattr(Search, "step", whole_step)
    shutil.move(tmp_path / "run", tmp_path / "moved")  # prefixes are found by their content, not by their path
    search(make_images(16, size=32), tmp_path / "moved", saving, resume=True)
    ours, theirs = files(tmp_path / "moved" / "search"), files(straight)
    assert set(ours) == set(theirs)
    for name, text in theirs.items():
        assert ours[name].replace(b'"checkpoint_steps": 1,', b'"checkpoint_steps": 0,') == text, name
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "moved").rglob("*.json*")}
    search(make_images(16, size=32), tmp_path / "moved", saving, resume=True)  # a finished one is only read
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "moved").rglob("*.json*")} == before


def later_stage(straight: Path, images: ImageSet, settings: SearchSettings, **changes: Any) -> Search:
    """The second stage of `straight`, not begun yet."""
    before = straight / "grow-008"
    one = settings.model_copy(update={"grow": False, "prefix": before / "architecture.json", **changes})
    place = Place(16, (32,), before, ("U1",))
    return Search(area_downsampled(images, 16), one, SPACE, seed=0, engine=Engine(device="cpu"), place=place)


def test_a_stage_takes_over_weights_and_latents_and_fits_the_smaller_images_too(
    straight: Path, make_images: Make, settings: SearchSettings
) -> None:
    images = make_images(16, size=32)
    search = later_stage(straight, images, settings, num_epochs=20)
    search._begin()
    before = state(straight / "grow-008")["signal"]
    assert torch.equal(search.signal.table.rows, before["latents"]["rows"])  # type: ignore[attr-defined]
    assert torch.equal(search.supernet.backbone.linear.weight, before["network"]["backbone.linear.weight"])
    assert isinstance(search.supernet, GrownSupernet)
    slow = search.signal.optimizer.param_groups[1]
    assert {id(weight) for weight in slow["params"]} == {id(weight) for weight in search.supernet.earlier_weights()}

    batch = search.weight_batches(0)
    search.supernet.fade = 1 / 4  # 40 steps: the first of four in which it fades in
    own, smaller = search.supernet.all_sizes(search.signal.inputs(batch.index))
    real = to_symmetric(batch.images)
    expected = dict(reconstruction_terms(own, real))
    for name, term in reconstruction_terms(smaller, F.avg_pool2d(real, 2)).items():
        expected[f"{name}_8px"] = SMALLER_WEIGHT * term
    terms = search.step(0)
    assert {name: float(terms[name]) for name in expected} == pytest.approx(
        {name: float(term) for name, term in expected.items()}, rel=1e-5
    )
    assert float(terms["loss"]) == pytest.approx(sum(float(term) for term in expected.values()), rel=1e-5)
    first, second = (group["lr"] for group in search.signal.optimizer.param_groups)
    assert second == pytest.approx(EARLIER_RATE * first)
    assert search.supernet.fade == 1 / 4


def test_the_time_left_is_that_of_the_stage_and_says_which_come(
    straight: Path, make_images: Make, settings: SearchSettings
) -> None:
    bar = progress_of(later_stage(straight, make_images(16, size=32), settings), 0, quiet=True)
    assert (bar.title, bar.total_steps) == ("search 16 px", 4)
    assert bar.besides.endswith(", and the searches at 32 px, whose steps take longer")


def test_a_missing_checkpoint_of_the_stage_before_is_named(
    straight: Path, make_images: Make, settings: SearchSettings, tmp_path: Path
) -> None:
    shutil.copytree(straight, tmp_path / "search")
    shutil.rmtree(tmp_path / "search" / "grow-008" / "checkpoints")
    search = later_stage(tmp_path / "search", make_images(16, size=32), settings)
    with pytest.raises(UserError, match="grow-008: holds no checkpoint to grow from; remove the folder"):
        search._begin()


def test_several_seeds_agree_stage_by_stage(make_images: Make, settings: SearchSettings, tmp_path: Path) -> None:
    found = search(make_images(16, size=16), tmp_path / "run", settings, seeds=2)
    folder = tmp_path / "run" / "search"
    first = Architecture.load(folder / "grow-008" / "architecture.json")
    assert first.provenance["seeds"] == [0, 1]
    for seed in (0, 1):
        later = Architecture.load(folder / "grow-016" / f"seed-{seed}" / "architecture.json")
        assert later.edges[: len(first.edges)] == first.edges
    assert found.edges[: len(first.edges)] == first.edges
    assert json.loads((folder / "agreement.json").read_text())["num_decisions"] == 3
    growth = json.loads((folder / "growth.json").read_text())
    assert all(one["loss"] > 0 for one in growth)


def test_a_cap_is_kept_by_the_whole(make_images: Make, settings: SearchSettings, tmp_path: Path) -> None:
    images = make_images(16, size=16)
    with pytest.raises(UserError, match="no architecture has at most 1 parameters") as said:
        search(images, tmp_path / "run", settings.model_copy(update={"max_params": 1}))
    least = int(str(said.value).split("the smallest has ")[1].split(";")[0].replace(",", ""))
    found = search(images, tmp_path / "run", settings.model_copy(update={"max_params": least + 30}))
    assert architecture_cost(found).num_parameters <= least + 30
    assert "cap" in json.loads((tmp_path / "run" / "search" / "pruning.json").read_text())


def test_area_downsampling_takes_means_of_squares(make_images: Make) -> None:
    images = make_images(3, size=16)
    smaller = area_downsampled(images, 4)
    for n, c, y, x in np.ndindex(3, 3, 4, 4):
        square = images.images[n, c, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        assert smaller.images[n, c, y, x] == np.floor(square.mean() + 0.5)
    assert smaller.fingerprint != images.fingerprint
    assert area_downsampled(images, 16) is images
    with pytest.raises(ValueError, match="no whole fraction"):
        area_downsampled(images, 6)


def test_parts_have_the_shapes_of_the_stages(make_images: Make, settings: SearchSettings, tmp_path: Path) -> None:
    parts = list(parts_of(make_images(4, size=32), settings, SPACE))
    assert [part.images.image_size for part in parts] == [8, 16, 32]
    assert [0 if part.prefix is None else part.prefix.num_stages for part in parts] == [0, 1, 2]
    plain = settings.model_copy(update={"grow": False})
    assert [part.place for part in parts_of(make_images(4, size=32), plain, SpaceSettings())] == [None]
    assert load_prefix(plain) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_params": 9, "max_macs": 9}, "keeps within one cap on size"),
        ({"order": "second", "weight_optimizer": "sgd", "schedule": "alternate"}, "--search.grow has two rates"),
        ({"cuda_graphs": True}, "--search.grow makes every step different"),
        ({"grow": False, "grow_epochs": 2}, "--search.grow-epochs counts only with --search.grow"),
    ],
)
def test_what_cannot_grow_is_refused(changes: dict[str, Any], message: str, settings: SearchSettings) -> None:
    with pytest.raises(UserError, match=message):
        check_settings(settings.model_copy(update=changes))


def test_cells_cannot_grow(make_images: Make, settings: SearchSettings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--search\.grow decides stage by stage; leave out --space\.share stages"):
        degas.search(
            make_images(4, size=16), tmp_path / "run", search=settings.model_copy(update={"prune": "paper"}),
            space={"share": "stages"}, progress=False,
        )  # fmt: skip
