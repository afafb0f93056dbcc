"""Searches with a prefix, end to end on tiny images: every file says what was given and what was searched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import degas
from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.searched_space import load_prefix, searched_space
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.json_files import read_jsonl
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

Make = Callable[..., Any]
SPACE = SpaceSettings(normal_operations=("conv_1x1", "conv_3x3", "skip"))
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")  # tiny searches end as they will


@pytest.fixture
def images(make_images: Make) -> ImageSet:
    found: ImageSet = make_images(16, size=16)
    return found


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    path = tmp_path / "prefix.json"
    edges = SearchSpace(1).draw(3)  # sep_conv_5x5: no candidate of SPACE, which a prefix need not have
    origin = {"method": "search", "seed": 7, "search": {"width": 9}}
    Architecture(1, 1, 6, 9, 11, 1, edges, provenance=origin).save(path)
    return path


def search(images: ImageSet, out: Path, settings: SearchSettings, **more: Any) -> Architecture:
    return degas.search(images, out, search=settings, space=SPACE, progress=False, **more)


@pytest.mark.parametrize("prune", ["paper", "alone", "alone_scaled", "perturbation", "darts"])
def test_every_rule_decides_only_later_maps(
    prune: str, images: ImageSet, prefix: Path, tmp_path: Path, make_settings: Make
) -> None:
    settings = make_settings(prune=prune, prefix=prefix, num_epochs=1, schedule="joint", perturbation_batches=2)
    found = search(images, tmp_path / "run", settings)
    given, folder = Architecture.load(prefix), tmp_path / "run" / "search"
    assert (found.image_size, found.width, found.noise_size) == (16, 4, 6)  # sizes are the search's own
    assert found.edges[: len(given.edges)] == given.edges
    assert found == Architecture.load(folder / "architecture.json")
    assert found.provenance["prefix"] == {"num_stages": 1, "method": "search", "seed": 7}
    assert "prefix" not in found.provenance["search"]  # a path says nothing elsewhere
    later = {"U1->N2", "N2->U2", "U0->U2", "U1->U2"}
    for name in ("alpha", "mixing"):
        assert {edge for edge in read_jsonl(folder / f"{name}.jsonl")[-1] if "->" in edge} == later
    pruning = json.loads((folder / "pruning.json").read_text())
    assert set(pruning["values"]) == later
    assert {decision["name"] for decision in pruning["decisions"]} == {"N2 direct", "U2 direct", "U2 residual"}
    config = json.loads((folder / "config.json").read_text())
    assert config["prefix"] == given.to_dict()["nodes"]


def test_a_cap_counts_the_prefix(images: ImageSet, prefix: Path, tmp_path: Path, make_settings: Make) -> None:
    settings = make_settings(prefix=prefix, num_epochs=1, max_params=1)
    with pytest.raises(UserError, match="has at most 1 parameters; the smallest has") as said:
        search(images, tmp_path / "run", settings)
    least = int(str(said.value).split("the smallest has ")[1].split(";")[0].replace(",", ""))
    found = search(images, tmp_path / "run", settings.model_copy(update={"max_params": least}))
    from degas.nets.cost import architecture_cost

    assert architecture_cost(found).num_parameters == least
    assert found.edges[: len(Architecture.load(prefix).edges)] == Architecture.load(prefix).edges


def test_several_seeds_agree_on_later_decisions(
    images: ImageSet, prefix: Path, tmp_path: Path, make_settings: Make
) -> None:
    found = search(images, tmp_path / "run", make_settings(prefix=prefix, num_epochs=1), seeds=2)
    folder = tmp_path / "run" / "search"
    assert json.loads((folder / "agreement.json").read_text())["num_decisions"] == 3
    assert found.edges[: len(Architecture.load(prefix).edges)] == Architecture.load(prefix).edges
    assert found.provenance["prefix"]["num_stages"] == 1
    assert {edge for edge in read_jsonl(folder / "alpha.jsonl")[-1] if "->" in edge} == {
        *("U1->N2", "N2->U2", "U0->U2", "U1->U2"),
    }


def test_a_stopped_search_resumes_to_the_same_bits_and_knows_its_prefix(
    images: ImageSet, prefix: Path, tmp_path: Path, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(prefix=prefix, checkpoint_steps=1, settle_epochs=9)
    search(images, tmp_path / "straight", settings)
    whole_step = Search.step

    def step(self: Search, step: int) -> Any:
        if step == 3:
            raise KeyboardInterrupt
        return whole_step(self, step)

    monkeypatch.setattr(Search, "step", step)
    with pytest.raises(KeyboardInterrupt):
        search(images, tmp_path / "stopped", settings)
    monkeypatch.setattr(Search, "step", whole_step)
    other = Architecture.load(prefix)
    replace(other, edges=SearchSpace(1).draw(4)).save(tmp_path / "other.json")
    changed = settings.model_copy(update={"prefix": tmp_path / "other.json"})
    with pytest.raises(UserError, match=r"cannot resume: --search\.prefix holds other operations than before"):
        search(images, tmp_path / "stopped", changed, resume=True)
    with pytest.raises(UserError, match=r"cannot resume: search\.prefix was .* and is null now"):
        search(images, tmp_path / "stopped", settings.model_copy(update={"prefix": None}), resume=True)
    moved = settings.model_copy(update={"prefix": Path(shutil.move(prefix, tmp_path / "moved.json"))})
    search(images, tmp_path / "stopped", moved, resume=True)
    for name in ("architecture.json", "alpha.jsonl", "metrics.jsonl", "pruning.json"):
        ours, theirs = ((tmp_path / run / "search" / name).read_bytes() for run in ("stopped", "straight"))
        assert ours == theirs, name


def test_the_file_is_read_once(images: ImageSet, prefix: Path, make_settings: Make) -> None:
    settings = make_settings(prefix=prefix)
    given = load_prefix(settings)
    prefix.unlink()
    search = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"), prefix=given)
    assert search.space.prefix == given.edges  # type: ignore[union-attr]
    with pytest.raises(UserError, match=r"--search\.prefix: .*cannot be read"):
        searched_space(settings, SpaceSettings(), 16)


def test_a_prefix_as_large_as_the_space_is_refused(make_images: Make, prefix: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its num_stages is 1, and the space's is 1, so nothing is left to search"):
        search(make_images(16, size=8), tmp_path / "run", SearchSettings(prefix=prefix))
    assert not (tmp_path / "run").exists()
