"""Which of the paper's rows a run belongs to, told from what its files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_run import fake_run, write_json

from degas.report.collect import Run, collect_run
from degas.report.kinds import differences, kinds_of
from degas.report.paper import ROWS
from degas.settings.presets import preset_values

CIFAR = {"source": "cifar-10-python.tar.gz", "num_images": 50_000, "fingerprint": "c32"}
SMALL = {**CIFAR, "fingerprint": "c16"}  # the same images at 16 px
STL = {"source": "stl10_binary.tar.gz", "num_images": 50_000, "fingerprint": "s48"}
STL_SMALL = {**STL, "fingerprint": "s32"}


def make(
    path: Path, measured: dict[str, Any], searched: dict[str, Any] | None = None, size: int = 32, **more: Any
) -> Run:
    """A run measured on `measured`, with an architecture searched on `searched` at `size` px, elsewhere."""
    fake_run(path, num_stages=3, search=False, num_normal=more.pop("num_normal", 1))
    data = searched and {"fingerprint": searched["fingerprint"], "num_images": 50_000, "image_size": size}
    provenance = more.pop("provenance", {"method": "search", "data": data})
    config = path / "train" / "generator" / "config.json"
    public = json.loads(config.read_text())
    public["architecture"] |= {"provenance": provenance, "width": 128, "noise_size": 128, "separable_order": "darts"}
    public["architecture"] |= more.pop("architecture", {})
    write_json(config, more.pop("generator", public))
    write_json(path / "train" / "config.json", {"data": measured, "gan": more.pop("gan", {})})
    write_json(path / "evaluation" / "config.json", {})
    write_json(path / "evaluation" / "scores.json", {"data": measured, "scores": {"is_50k": {"value": 8.0}}})
    return collect_run(path)


def test_a_fine_tuned_run_stands_beside_no_row_of_the_paper(tmp_path: Path) -> None:
    assert rows_of(make(tmp_path / "plain", CIFAR, CIFAR)) != []
    run = make(tmp_path / "tuned", CIFAR, CIFAR)
    assert run.train is not None
    run.train.config["init"] = {"generator": "mine", "weights": "0" * 16}
    assert rows_of(run) == []
    (kind,) = kinds_of([run])
    assert kind.description == "its training began with another generator's weights, trained without labels"


def searched_only(path: Path, data: dict[str, Any]) -> Run:
    fake_run(path, train=False, evaluate=False)
    write_json(path / "search" / "config.json", {"data": data})
    return collect_run(path)


def rows_of(run: Run, *beside: Run) -> list[str]:
    kind = kinds_of([run, *beside])[0]
    return [f"{row.table}: {row.what}" for row in ROWS if kind.is_counterpart(row)]


def test_each_ablation_finds_its_row(tmp_path: Path) -> None:
    def found(name: str, *arguments: Any, beside: tuple[Run, ...] = (), **more: Any) -> list[str]:
        return rows_of(make(tmp_path / name, *arguments, **more), *beside)

    labels = {"supervised": True}
    small = searched_only(tmp_path / "small", SMALL)
    cifar, stl_small = searched_only(tmp_path / "cifar", CIFAR), searched_only(tmp_path / "stl-small", STL_SMALL)
    drawn = {"method": "random α, pruned", "seed": 0}
    resnet = {"kind": "resnet", "sizes": {}}
    assert found("a", CIFAR, CIFAR) == ["Table 1, CIFAR-10: DEGAS"]
    several = {"method": "consensus of searches", "seeds": [0, 1], "data": {"fingerprint": "c32", "image_size": 32}}
    assert found("k", CIFAR, provenance=several) == ["Table 1, CIFAR-10: DEGAS"]
    assert found("b", CIFAR, CIFAR, gan=labels) == ["Table 2, CIFAR-10 with labels: DEGAS"]
    assert found("c", CIFAR, CIFAR, num_normal=2) == ["Table 4 and §4.2, ablations: search with n = 2"]
    assert found("d", CIFAR, SMALL, 16, beside=(small,)) == ["Table 4 and §4.2, ablations: searched at 16 px"]
    assert found("e", CIFAR, provenance=drawn) == ["Table 4 and §4.2, ablations: random architecture"]
    assert found("f", CIFAR, generator=resnet) == ["Table 1, CIFAR-10: CT-GAN's own generator"]
    assert found("g", CIFAR, generator=resnet, gan=labels) == ["Table 2, CIFAR-10 with labels: CT-GAN's own generator"]
    assert found("h", STL, STL, 48) == ["Table 3, STL-10: DEGAS, searched on STL-10"]
    assert found("i", STL, CIFAR, beside=(cifar,)) == ["Table 3, STL-10: DEGAS, CIFAR-10's architecture"]
    assert found("j", STL, STL_SMALL, beside=(stl_small,)) == ["Table 4 and §4.2, ablations: searched at 32 px"]


@pytest.mark.parametrize(
    ("measured", "searched", "more"),
    [
        (STL, CIFAR, {}),  # searched elsewhere, and no run beside it says where
        (CIFAR, CIFAR, {"num_normal": 3}),
        (STL, STL, {"gan": {"supervised": True}}),
        (CIFAR, None, {"provenance": {"method": "drawn uniformly", "seed": 0}}),
        (CIFAR, None, {"provenance": {"method": "search", "data": "CIFAR-10"}}),
        (CIFAR, None, {"provenance": {}}),
        (CIFAR, CIFAR, {"generator": {"kind": "dcgan", "sizes": {}}}),
        ({**CIFAR, "num_images": 6400}, CIFAR, {}),
        ({**CIFAR, "source": "digits"}, CIFAR, {}),
    ],
)
def test_a_run_of_another_kind_stands_in_no_row(tmp_path: Path, measured: Any, searched: Any, more: Any) -> None:
    assert rows_of(make(tmp_path / "run", measured, searched, **more)) == []


def test_a_search_in_the_same_folder_does_not_name_the_architecture_that_was_trained(tmp_path: Path) -> None:
    """`degas train --architecture resnet` into the folder of an earlier search."""
    run = make(tmp_path / "run", CIFAR, generator={"kind": "resnet", "sizes": {}})
    (found,) = kinds_of([run])
    fake_run(tmp_path / "run", train=False, evaluate=False, num_stages=3, num_normal=2)
    assert collect_run(tmp_path / "run").architecture is not None
    assert kinds_of([collect_run(tmp_path / "run")]) == [found]


def test_what_differs_from_the_paper_is_named(tmp_path: Path) -> None:
    paper = preset_values("paper", CIFAR["source"])
    searched = {"fingerprint": "c32", "image_size": 32}
    same = {"method": "search", "data": searched, "search": paper["search"], "space": paper["space"]}
    run = make(tmp_path / "same", CIFAR, provenance=same, gan={**paper["gan"], "sample_steps": 7})
    assert differences(run, kinds_of([run])[0]) == []
    other = {**same, "search": {**paper["search"], "num_epochs": 8}}
    run = make(tmp_path / "other", CIFAR, provenance=other, gan={**paper["gan"], "objective": "r3gan"})
    wanted = ["search.num_epochs 8 (paper: 50)", "gan.objective r3gan (paper: ct-gan)"]
    assert differences(run, kinds_of([run])[0]) == wanted
    for critic, named in (("resnet", []), ("mine.json", ["gan.critic mine.json (paper: resnet)"])):
        run = make(tmp_path / critic, CIFAR, provenance=same, gan={**paper["gan"], "critic": critic})
        assert differences(run, kinds_of([run])[0]) == named


def test_sizes_and_order_of_the_architecture_itself_are_named(tmp_path: Path) -> None:
    """A drawn one has no settings of a search to compare, and one searched at 16 px may have another noise size."""
    other = {"separable_order": "preact", "noise_size": 256, "num_stages": 2}
    run = make(tmp_path / "drawn", CIFAR, provenance={"method": "random α, pruned", "seed": 1}, architecture=other)
    assert [line for line in differences(run, kinds_of([run])[0]) if "architecture's" in line] == [
        "the architecture's separable_order preact (paper: darts)",
        "the architecture's num_stages 2 (paper: 3)",
        "the architecture's noise_size 256 (paper: 128)",
    ]


def test_a_moved_architecture_was_rightly_searched_at_the_rate_of_cifar(tmp_path: Path) -> None:
    provenance = {"method": "search", "data": {"fingerprint": "c32", "image_size": 32}}
    provenance["search"] = preset_values("paper", CIFAR["source"])["search"]
    run, beside = make(tmp_path / "run", STL, provenance=provenance), searched_only(tmp_path / "cifar", CIFAR)
    assert differences(run, kinds_of([run, beside])[0]) == []
    assert "search.weight_lr 0.3 (paper: 0.03)" in differences(run, kinds_of([run])[0])
