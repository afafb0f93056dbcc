from __future__ import annotations

from collections import Counter

import pytest

from degas.report.paper import ROWS, comparable_scores, describe_protocol, paper_data_set, why_not


def measured(source: str, num_images: int = 50_000, **scores: dict[str, object]) -> dict[str, object]:
    return {"data": {"source": source, "num_images": num_images}, "scores": scores}


FULL = {"value": 12.0, "extractor": "inception", "num_samples": 50_000}


def test_only_the_papers_protocol_on_its_data_is_comparable() -> None:
    scores = measured("cifar-10-python.tar.gz", fid_50k_train=FULL, is_50k=FULL, fid_5k_train=FULL)
    assert list(comparable_scores(scores)) == ["fid_50k_train", "is_50k"]
    assert why_not(scores) is None


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({}, "not been evaluated"),
        (measured("digits", fid_50k_train=FULL), "digits"),
        (measured("cifar10-jpeg-train.tar.xz", fid_50k_train=FULL), "not the 50,000"),
        (measured("cifar-100-python", fid_50k_train=FULL), "not the 50,000"),
        (measured("cifar-10", 6400, fid_50k_train=FULL), "not the 50,000"),
        (measured("cifar-10", fid_5k_train=FULL), "it has fid_5k_train"),
        (measured("cifar-10", fid_50k_train={**FULL, "extractor": "imagenet-224"}), "no fid_50k_train"),
        (measured("cifar-10", fid_50k_train={**FULL, "num_samples": 5000}), "no fid_50k_train"),
    ],
)
def test_why_a_score_may_not_stand_beside_the_papers(scores: dict[str, object], reason: str) -> None:
    assert comparable_scores(scores) == {}
    assert reason in (why_not(scores) or "")


def test_data_sets() -> None:
    assert paper_data_set(measured("hub:x/stl10")) == "STL-10"
    assert paper_data_set(measured("CIFAR10")) == "CIFAR-10"
    assert paper_data_set({"data": {"source": None, "num_images": 50_000}}) is None


def test_the_rows_are_the_papers() -> None:
    printed = {(row.table.split(",")[0], row.what): (row.inception_score, row.fid) for row in ROWS}
    assert len(printed) == len(ROWS)
    assert printed["Table 1", "DEGAS"] == ("8.37 ± 0.08", "12.01")
    assert printed["Table 1", "CT-GAN's own generator"] == ("8.12 ± 0.12", None)
    assert printed["Table 1", "AutoGAN"] == ("8.55 ± 0.1", "12.42")
    assert printed["Table 2", "DEGAS"] == ("8.85 ± 0.07", "9.83")
    assert printed["Table 3", "DEGAS, searched on STL-10"] == ("9.22 ± 0.08", "40.25")
    assert printed["Table 3", "DEGAS, CIFAR-10's architecture"] == ("9.71 ± 0.11", "28.76")
    assert printed["Table 4 and §4.2", "random architecture"] == ("8.127 ± 0.098", "15.312")
    assert printed["Table 4 and §4.2", "search with n = 2"] == ("7.24 ± 0.06", "48.83")
    assert printed["Table 4 and §4.2", "searched at 16 px"] == ("8.03 ± 0.012", None)
    assert printed["Table 4 and §4.2", "searched at 32 px"] == ("8.97 ± 0.02", None)
    counts = Counter(row.table.split(",")[0] for row in ROWS)
    assert counts == {"Table 1": 8, "Table 2": 6, "Table 3": 8, "Table 4 and §4.2": 4}


def test_every_row_says_what_it_compares_with_and_no_two_claim_one_kind_of_run() -> None:
    assert all(len(row.word) > 20 for row in ROWS)
    kinds = [(row.data, row.labels, *row.ours.values()) for row in ROWS if row.ours is not None]
    assert len(set(kinds)) == len(kinds) == 10
    assert [row.what for row in ROWS if row.is_main] == [
        *("DEGAS", "DEGAS", "DEGAS, searched on STL-10", "DEGAS, CIFAR-10's architecture"),
    ]


def test_protocols_in_words() -> None:
    words = describe_protocol("fid_5k_train[imagenet-224]", {"extractor": "imagenet-224", "num_samples": 5000})
    assert words == "Fréchet distance between feature Gaussians, 5,000 samples, imagenet-224 features; lower is better"
    assert describe_protocol("novel_score", {"extractor": None}) == "score"
