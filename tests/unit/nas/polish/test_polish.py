"""Whole searches with a polish whose fits are a known function: the result is that of brute force."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import degas
from degas.cli.search import tell_found
from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.glo import standalone
from degas.nets.cost import architecture_cost
from degas.report.collect import collect_run
from degas.report.render import write_report
from degas.report.sections import architecture as architecture_section
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.neighbours import neighbours
from degas.space.pruning import choices

Make = Callable[..., Any]
SPACE = SpaceSettings(
    normal_operations=("conv_1x1", "conv_3x3", "skip"), up_operations=("deconv_4x4", "nearest_conv_3x3")
)
ENOUGH = 100  # fits: all neighbours are screened
FITTED: list[tuple[int, Architecture]] = []
PENALTIES: list[float] = [0.0, 0.0, 0.0]  # added to the loss of the first architecture of all, with each seed
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")  # tiny searches end as they will


def worth(architecture: Architecture, seed: int) -> float:
    """A loss by architecture, moved far by the seed and a little by both together."""
    key = ", ".join(sorted(f"{edge.source}{edge.target}{edge.operation}" for edge in architecture.edges))
    own = PENALTIES[seed] if architecture.edges == FITTED[0][1].edges else 0.0
    return own + 10.0 * seed + random.Random(key).random() + 0.2 * random.Random(f"{key} {seed}").random()


def fake_fit(architecture: Architecture, images: ImageSet, settings: Any, *, seed: int, **_: Any) -> float:
    FITTED.append((seed, architecture))
    return worth(architecture, seed)


def brute(found: Architecture, graph: SearchSpace) -> Architecture:
    """All neighbours with the first seed, and the best of them against the found one with the two others."""
    everybody = [found, *(replace(found, edges=one.edges) for one in neighbours(found.edges, graph))]
    best = min(everybody, key=lambda one: worth(one, 0))
    return best if all(worth(best, seed) < worth(found, seed) for seed in (1, 2)) else found


def search(images: ImageSet, out: Path, settings: Any, **more: Any) -> Architecture:
    return degas.search(images, out, search=settings, space=SPACE, progress=False, device="cpu", **more)


def results(folder: Path) -> dict[str, bytes]:
    left_out = ("timing.jsonl", "environment.json", ".lock", "config.json")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and "checkpoints" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name not in left_out}


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FITTED.clear()
    PENALTIES[:] = [0.0, 0.0, 0.0]
    monkeypatch.setattr(standalone, "fit_alone", fake_fit)


@pytest.fixture(scope="module")
def off(make_images: Make, make_settings: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search without a polish, with the seed 0."""
    out = tmp_path_factory.mktemp("off")
    search(make_images(), out, make_settings(num_epochs=1))
    return out / "search"


@pytest.mark.parametrize(
    ("penalties", "words"),
    [
        ([2.0, 2.0, 2.0], "moved to"),
        ([2.0, -2.0, -2.0], "further seeds did not confirm it"),
        ([-2.0, -2.0, -2.0], "none was better"),
    ],
)
def test_the_search_moves_to_brute_forces_neighbour_and_nothing_else_changes(
    penalties: list[float], words: str, off: Path, make_images: Make, make_settings: Make, tmp_path: Path
) -> None:
    PENALTIES[:] = penalties
    on = search(make_images(), tmp_path, make_settings(num_epochs=1, polish=ENOUGH))
    found, graph = Architecture.load(off / "architecture.json"), SPACE.resolve(8)[0]
    assert on == brute(found, graph) == Architecture.load(tmp_path / "search" / "architecture.json")
    without, polished = results(off), results(tmp_path / "search")
    assert not any("polish" in name for name in without)
    unlike = {name for name, value in without.items() if polished[name] != value}
    assert unlike <= {"architecture.json", "architecture.png", "degenerate.json"}
    before, after = choices(found.edges, graph), choices(on.edges, graph)
    moved = {name: {"before": before[name], "after": after[name]} for name in after if after[name] != before[name]}
    assert on.provenance["polish"] == {"num_fits": len(FITTED), "moved": moved}
    assert "polish" not in found.provenance
    record = json.loads(polished["polish.json"])
    assert len(record["neighbours"]) == record["num_neighbours"] == len(neighbours(found.edges, graph))
    for row in record["neighbours"]:
        assert row["differences"]["0"] == row["losses"]["0"] - record["found"]["losses"]["0"]
    assert (record["moved"] is not None) == bool(moved) == (words == "moved to")
    assert words in write_report([tmp_path], tmp_path / "report.html").read_text()
    run = collect_run(tmp_path)
    assert run.notes == []
    section = architecture_section(run, "a")
    assert section is not None
    assert {one.name: one.choice for one in section["decided"]} == after


def test_a_killed_polish_goes_on_to_the_same_bytes_and_repeats_no_fit(
    make_images: Make, make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, deaths = make_settings(num_epochs=1, polish=9), [2, 6]
    PENALTIES[:] = [2.0, 2.0, 2.0]
    search(make_images(), tmp_path / "straight", settings)
    wanted, straight = results(tmp_path / "straight" / "search"), list(FITTED)

    def dying(*arguments: Any, **options: Any) -> float:
        if deaths and len(FITTED) == deaths[0]:
            del deaths[0]
            raise KeyboardInterrupt
        return fake_fit(*arguments, **options)

    FITTED.clear()
    monkeypatch.setattr(standalone, "fit_alone", dying)
    for attempt in range(3):
        with nullcontext() if attempt == 2 else pytest.raises(KeyboardInterrupt):
            search(make_images(), tmp_path / "killed", settings, resume=attempt > 0)
        assert (tmp_path / "killed" / "search" / "done.json").exists() == (attempt == 2)
    assert results(tmp_path / "killed" / "search") == wanted
    assert straight == FITTED
    assert len(straight) == 9


def test_a_cap_on_size_holds(off: Path, make_images: Make, make_settings: Make, tmp_path: Path) -> None:
    found = Architecture.load(off / "architecture.json")
    cap = architecture_cost(found).num_parameters
    PENALTIES[:] = [2.0, 2.0, 2.0]
    capped = search(make_images(), tmp_path, make_settings(num_epochs=1, polish=ENOUGH, max_params=cap))
    assert architecture_cost(capped).num_parameters <= cap
    sizes = [architecture_cost(one).num_parameters for _, one in FITTED]
    assert len(sizes) > 1
    assert max(sizes) <= cap
    record = json.loads((tmp_path / "search" / "polish.json").read_text())
    assert record["num_neighbours"] < len(neighbours(found.edges, SPACE.resolve(8)[0]))


def test_several_seeds_polish_their_consensus_alone(
    off: Path, make_images: Make, make_settings: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PENALTIES[:] = [2.0, 2.0, 2.0]
    found = search(make_images(), tmp_path, make_settings(num_epochs=1, polish=ENOUGH), seeds=2)
    assert found == brute(FITTED[0][1], SPACE.resolve(8)[0]) != FITTED[0][1]
    assert found.provenance["search"]["polish"] == ENOUGH
    assert results(tmp_path / "search" / "seed-0") == results(off)
    tell_found(found, tmp_path / "search", several=True)
    assert f"polish: {len(FITTED)} fits alone" in capsys.readouterr().out


def test_every_stage_of_a_grown_search_is_polished_and_the_next_begins_with_the_result(
    make_images: Make, make_settings: Make, tmp_path: Path
) -> None:
    PENALTIES[:] = [2.0, 2.0, 2.0]  # of the first stage's
    settings = make_settings(polish=ENOUGH, grow=True, num_epochs=1)
    whole = search(make_images(size=16), tmp_path, settings)
    folder = tmp_path / "search"
    first, last = (Architecture.load(folder / f"grow-{size:03d}" / "architecture.json") for size in (8, 16))
    assert whole.edges == last.edges
    assert last.edges[: len(first.edges)] == first.edges
    records = [json.loads((folder / f"grow-{size:03d}" / "polish.json").read_text()) for size in (8, 16)]
    moves = [record["moved"] for record in records if record["moved"]]
    assert {move["decision"]: move["after"] for move in moves} == {
        name: change["after"] for name, change in whole.provenance["polish"]["moved"].items()
    }
    assert moves
    told = {
        name: choice
        for one in json.loads((folder / "growth.json").read_text())
        for name, choice in one["choices"].items()
    }
    assert told == choices(whole.edges, SPACE.resolve(16)[0])
    html = write_report([tmp_path], tmp_path / "report.html").read_text()
    assert html.count("Polish of grow-0") == 2


def test_a_fit_that_diverges_never_wins_and_a_damaged_record_is_one_line(
    make_images: Make, make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(architecture: Architecture, *arguments: Any, seed: int, **options: Any) -> float:
        FITTED.append((seed, architecture))
        if len(FITTED) > 1:
            raise NonFiniteError("glo: l2 is nan at step 1; lower the rates")
        return 0.5

    monkeypatch.setattr(standalone, "fit_alone", diverging)
    found = search(make_images(), tmp_path, make_settings(num_epochs=1, polish=8))
    assert found.provenance["polish"]["moved"] == {}
    record = json.loads((tmp_path / "search" / "polish.json").read_text())
    assert [row["losses"]["0"] for row in record["neighbours"]] == [None, None, None]
    assert "diverged" in write_report([tmp_path], tmp_path / "report.html").read_text()
    (tmp_path / "search" / "done.json").unlink()
    (tmp_path / "search" / "polish" / "found-s0.json").write_text("{")
    with pytest.raises(
        UserError, match=r"found-s0\.json: cannot be read as the record of a fit; remove it and --resume"
    ):
        search(make_images(), tmp_path, make_settings(num_epochs=1, polish=8), resume=True)
