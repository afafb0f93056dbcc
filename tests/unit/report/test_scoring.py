from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_run import fake_run, write_json

from degas.report.collect import Run, collect_run
from degas.report.scoring import (
    comparability,
    floor_name,
    on_the_papers_data,
    paper_rows,
    score_rows,
    score_tiles,
    untrained_of,
)

FULL = {
    "value": 11.5,
    "std": None,
    "extractor": "inception",
    "num_samples": 50_000,
    "reference": "50000 training images",
}
IS = {"value": 8.4, "std": 0.08, "extractor": "inception", "num_samples": 50_000, "reference": "none"}


def cifar_run(path: Path, **settings: object) -> Run:
    fake_run(path, num_stages=3, num_normal=int(settings.pop("num_normal", 1)))  # type: ignore[call-overload]
    data = {"source": "cifar-10", "num_images": 50_000, "fingerprint": "c"}
    config = json.loads((path / "train" / "generator" / "config.json").read_text())
    config["architecture"] |= {"provenance": {"method": "search", "data": {"fingerprint": "c"}}, "width": 64}
    write_json(path / "train" / "generator" / "config.json", config)
    write_json(path / "evaluation" / "scores.json", {"data": data, "scores": {"fid_50k_train": FULL, "is_50k": IS}})
    write_json(path / "train" / "config.json", {"gan": settings})
    return collect_run(path)


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("fid_50k_train", "fid_50k_train_floor"),
        ("fid_5k_train[imagenet-224]", "fid_5k_train_floor[imagenet-224]"),
        ("odd[a][b]", "odd_floor[a][b]"),
    ],
)
def test_floor_names_are_those_that_the_evaluation_writes(name: str, floor: str) -> None:
    assert floor_name(name) == floor


def test_a_floor_stands_beside_its_score(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    rows = {row["name"]: row["cells"][0] for row in score_rows([run])}
    assert list(rows) == [f"{m}_1797_train[imagenet-224]" for m in ("fid", "kid", "precision", "recall")]
    assert rows["fid_1797_train[imagenet-224]"]["floor"] == "4.02"
    assert rows["precision_1797_train[imagenet-224]"]["floor"] is None
    assert [tile["value"] for tile in score_tiles(run)] == ["21.74", "0.0132"]


def test_scores_against_different_images_are_flagged(tmp_path: Path) -> None:
    one = collect_run(fake_run(tmp_path / "a"))
    other = collect_run(fake_run(tmp_path / "b", data={"source": "digits", "num_images": 1797, "fingerprint": "other"}))
    lacking = collect_run(fake_run(tmp_path / "c", evaluate=False))
    assert all(row["mixed"] for row in score_rows([one, other]))
    rows = score_rows([one, one, lacking])
    assert not any(row["mixed"] for row in rows)
    assert rows[0]["cells"][2] is None


def test_our_figures_stand_in_the_papers_row_of_the_same_kind(tmp_path: Path) -> None:
    def filled(run: Run) -> dict[str, object]:
        rows = [entry for entry in paper_rows([run]) if any(entry["ours"][0].values())]
        return {f"{entry['row'].table}: {entry['row'].what}": entry["ours"][0] for entry in rows}

    ours = {"is": "8.4 ± 0.08", "fid": "11.5"}
    assert filled(cifar_run(tmp_path / "plain", supervised=False)) == {"Table 1, CIFAR-10: DEGAS": ours}
    labels = cifar_run(tmp_path / "labels", supervised=True)
    assert filled(labels) == {"Table 2, CIFAR-10 with labels: DEGAS": ours}
    two = cifar_run(tmp_path / "two", num_normal=2)
    assert filled(two) == {"Table 4 and §4.2, ablations: search with n = 2": ours}
    assert filled(collect_run(fake_run(tmp_path / "digits"))) == {}


def test_only_the_papers_rows_with_ours_beside_them_are_shown_and_each_table_is_opened_once(tmp_path: Path) -> None:
    runs = [cifar_run(tmp_path / name, num_normal=n) for name, n in (("one", 1), ("two", 2))]
    rows = paper_rows([*runs, runs[0]])
    assert [(entry["row"].table[:7], entry["first"]) for entry in rows] == [("Table 1", True), ("Table 4", True)]
    assert [[bool(figures["fid"]) for figures in entry["ours"]] for entry in rows] == [
        [True, False, True],
        [False, True, False],
    ]
    digits = collect_run(fake_run(tmp_path / "run"))
    assert paper_rows([digits]) == []
    assert (on_the_papers_data(runs), on_the_papers_data([digits])) == (True, False)


def test_an_untrained_score_stands_beside_the_trained_one(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    cells = [row["cells"][0] for row in score_rows([run])]
    assert [cell["untrained"] for cell in cells] == ["301.5", "1.2", None, None]
    for odd in (None, 3, {"fid_1797_train[imagenet-224]": 3}, {"fid_1797_train[imagenet-224]": {"value": "x"}}):
        assert untrained_of({"untrained": odd}, "fid_1797_train[imagenet-224]") is None


def test_the_honest_sentence(tmp_path: Path) -> None:
    good, bad = comparability([cifar_run(tmp_path / "c", objective="r3gan"), collect_run(fake_run(tmp_path / "d"))])
    assert good == (
        "c: fid_50k_train and is_50k can be compared with the paper's for CIFAR-10. It corresponds to “DEGAS” of "
        "Table 1, CIFAR-10; unlike the paper's run it has the architecture's separable_order preact "
        "(paper: darts), width 64 (paper: not given, 128 fits its sizes), gan.objective r3gan (paper: ct-gan)."
    )
    assert "none of its scores is comparable with the paper's" in bad
    (odd,) = comparability([cifar_run(tmp_path / "three", num_normal=3)])
    kind = "searched on this data set, n = 3, trained without labels"
    assert odd.endswith(f"no row of the paper is a run of this kind ({kind}).")


def test_figures_have_a_real_minus(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    entries = {"kid_1k_train": {"value": 0.01}, "kid_1k_train_floor": {"value": -0.0009}}
    write_json(path / "evaluation" / "scores.json", {"scores": entries})
    assert score_rows([collect_run(path)])[0]["cells"][0]["floor"] == "−0.0009"
