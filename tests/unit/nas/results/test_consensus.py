"""Folders of finished searches, written by hand, and what they come to together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from degas.errors import UserError
from degas.nas.decide.by_alpha import ByAlpha
from degas.nas.decide.rule import make_rule
from degas.nas.results.agreement import mean_alpha
from degas.nas.results.consensus import consensus_without, loss_records, mean_records, read_search, write_consensus
from degas.runtime.json_files import read_jsonl
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import choices, prune, random_alpha

SPACE = SearchSpace(2)
BY_ALPHA = make_rule(SearchSettings(prune="paper"), SPACE)
Make = Callable[..., Any]


def write_search(folder: Path, seed: int, num_epochs: int, findings: tuple[str, ...] = ()) -> dict[str, Any]:
    """A search that ran so many epochs of ten steps; returns its last α."""
    folder.mkdir(parents=True)
    records = [random_alpha(SPACE, 100 * seed + epoch) for epoch in range(num_epochs)]
    for name, values in {
        "alpha": [{"step": 10 * k, "epoch": k, **alpha} for k, alpha in enumerate(records, start=1)],
        "metrics": [
            record
            for k in range(1, num_epochs + 1)
            for record in ({"step": 10 * k - 5, "epoch": k}, {"step": 10 * k, "epoch": k, "epoch_loss": seed + 1 / k})
        ],
    }.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))
    (folder / "pruning.json").write_text("{}")
    (folder / "degenerate.json").write_text(json.dumps([{"kind": k, "where": "", "warning": k} for k in findings]))
    edges = prune(records[-1], SPACE)
    provenance = {"method": "search", "seed": seed, "data": {"num_images": 8}}
    Architecture(2, 1, 4, 4, 8, 3, edges, provenance=provenance).save(folder / "architecture.json")
    return records[-1]


def test_a_search_that_settled_earlier_counts_with_its_last_alpha(tmp_path: Path) -> None:
    lasts = [write_search(tmp_path / str(seed), seed, num_epochs) for seed, num_epochs in ((0, 2), (1, 4))]
    searches = [read_search(tmp_path / str(seed), seed, BY_ALPHA) for seed in (0, 1)]
    records = mean_records(searches, SPACE)
    assert [(record["step"], record["epoch"]) for record in records] == [(10, 1), (20, 2), (30, 3), (40, 4)]
    names = [slot.name for slot in SPACE.slots]
    assert {name: records[-1][name] for name in names} == mean_alpha(lasts)
    third = mean_alpha([lasts[0], random_alpha(SPACE, 102)])
    assert {name: records[2][name] for name in names} == third
    losses = loss_records(searches)
    assert [record["loss"] for record in losses] == pytest.approx([1.5, 1.0, 1 + 1 / 3, 1.25])
    assert ["loss_std" in record for record in losses] == [True, True, False, False]


def test_the_consensus_is_written_and_written_again_to_the_same_bytes(tmp_path: Path, make_settings: Make) -> None:
    lasts = [write_search(tmp_path / str(seed), seed, 3, ("collapse",) if seed else ()) for seed in (0, 1, 2)]
    searches = [read_search(tmp_path / str(seed), seed, BY_ALPHA) for seed in (0, 1, 2)]
    written = []
    for _ in range(2):
        with StageFolder(tmp_path / "all", settings={}, resume=True, kind="search") as folder:
            architecture = write_consensus(folder, searches, BY_ALPHA)
        written.append({path.name: path.read_bytes() for path in (tmp_path / "all").iterdir() if path.name != ".lock"})
    assert written[0] == written[1]
    assert architecture == Architecture.load(tmp_path / "all" / "architecture.json")
    assert architecture.edges == prune(mean_alpha(lasts), SPACE)
    assert architecture.provenance == {
        "method": "consensus of searches",
        "seeds": [0, 1, 2],
        "data": {"num_images": 8},
    }
    found = json.loads((tmp_path / "all" / "degenerate.json").read_text())
    assert [record["warning"] for record in found if "seed" in record] == ["seed 1: collapse", "seed 2: collapse"]
    assert len(read_jsonl(tmp_path / "all" / "alpha.jsonl")) == 3
    assert len(json.loads((tmp_path / "all" / "pruning.json").read_text())["decisions"]) == 6


def test_how_much_the_consensus_hangs_on_one_seed(tmp_path: Path, make_settings: Make) -> None:
    lasts = [write_search(tmp_path / str(seed), seed, 1) for seed in (0, 1, 2)]
    searches = [read_search(tmp_path / str(seed), seed, BY_ALPHA) for seed in (0, 1, 2)]
    with StageFolder(tmp_path / "all", settings={}, resume=False, kind="search") as folder:
        whole = choices(write_consensus(folder, searches, BY_ALPHA).edges, SPACE)
    found = json.loads((tmp_path / "all" / "agreement.json").read_text())
    expected = {}
    for seed, others in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1))):
        made = choices(prune(mean_alpha([lasts[other] for other in others]), SPACE), SPACE)
        expected[str(seed)] = sum(made[name] == whole[name] for name in whole)
    assert found["consensus_without"] == expected
    assert found["mean_consensus_without"] == pytest.approx(sum(expected.values()) / 3)
    assert min(expected.values()) < 6  # three random searches: it does hang on them


def test_two_searches_leave_no_consensus_without_one(tmp_path: Path, make_settings: Make) -> None:
    for seed in (0, 1):
        write_search(tmp_path / str(seed), seed, 1)
    with StageFolder(tmp_path / "all", settings={}, resume=False, kind="search") as folder:
        write_consensus(folder, [read_search(tmp_path / str(s), s, BY_ALPHA) for s in (0, 1)], BY_ALPHA)
    assert "consensus_without" not in json.loads((tmp_path / "all" / "agreement.json").read_text())


def test_a_seed_without_which_the_graph_disconnects_has_no_count(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        write_search(tmp_path / str(seed), seed, 1)
    searches = [read_search(tmp_path / str(seed), seed, BY_ALPHA) for seed in (0, 1, 2)]
    calls = iter((True, False, True))

    class Cutting(ByAlpha):
        def keep(self, values: Any) -> Any:
            if not next(calls):
                raise UserError("cut off")
            return super().keep(values)

    whole = prune(mean_alpha([found.values for found in searches]), SPACE)
    found = consensus_without(searches, whole, Cutting(SearchSettings(prune="paper"), SPACE))
    kept = found["consensus_without"]
    assert kept["1"] is None
    assert found["mean_consensus_without"] == (kept["0"] + kept["2"]) / 2


def test_settings_decide_the_rule(tmp_path: Path, make_settings: Make) -> None:
    lasts = [write_search(tmp_path / str(seed), seed, 1) for seed in range(2)]
    searches = [read_search(tmp_path / str(seed), seed, BY_ALPHA) for seed in range(2)]
    for rule in ({"compare": "centred"}, {"zero_rule": "ignored"}):
        with StageFolder(tmp_path / str(rule), settings={}, resume=False, kind="search") as folder:
            found = write_consensus(folder, searches, make_rule(make_settings(**rule), SPACE))
        assert found.edges == prune(mean_alpha(lasts), SPACE, **rule)


@pytest.mark.parametrize("rule", ["alone", "perturbation"])
def test_with_a_rule_of_losses_it_goes_by_those(rule: str, tmp_path: Path, make_settings: Make) -> None:
    losses = [random_alpha(SPACE, 7 + seed) for seed in range(2)]
    for seed in range(2):
        write_search(tmp_path / str(seed), seed, 1)
        (tmp_path / str(seed) / "pruning.json").write_text(
            json.dumps({"rule": rule, "perturbation": {"losses": losses[seed]}})  # as degas 0.1.0 left it
        )
    made = make_rule(make_settings(prune=rule), SPACE)
    searches = [read_search(tmp_path / str(seed), seed, made) for seed in range(2)]
    with StageFolder(tmp_path / "all", settings={}, resume=False, kind="search") as folder:
        found = write_consensus(folder, searches, made)
    sign = -1.0 if rule == "alone" else 1.0
    values = {slot: {name: sign * v for name, v in of.items()} for slot, of in mean_alpha(losses).items()}
    assert found.edges == prune(values, SPACE, compare="above_zero")
    agreement = json.loads((tmp_path / "all" / "agreement.json").read_text())
    assert {one["name"]: one["consensus"] for one in agreement["decisions"]} == choices(found.edges, SPACE)
    for one in agreement["decisions"]:  # both seeds' margins are of what that rule compares
        assert all(margin is None or margin >= 0 for margin in one["margins"].values())


@pytest.mark.parametrize("name", ["alpha.jsonl", "pruning.json", "degenerate.json", "architecture.json"])
@pytest.mark.parametrize("content", [None, "{"])
def test_a_search_with_a_file_gone_or_damaged_is_one_line(name: str, content: str | None, tmp_path: Path) -> None:
    write_search(tmp_path / "seed-0", 0, 1)
    (tmp_path / "seed-0" / name).unlink()
    if content is not None:
        (tmp_path / "seed-0" / name).write_text(content)
    with pytest.raises(UserError, match=name) as caught:
        read_search(tmp_path / "seed-0", 0, BY_ALPHA)
    assert "\n" not in str(caught.value)
