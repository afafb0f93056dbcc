from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_run import fake_run, write_json

from degas.errors import UserError
from degas.report.collect import collect_run
from degas.report.model_card import code, escape, model_card, write_model_card


def test_a_card_says_what_the_files_say(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    card = write_model_card(path)
    text = card.read_text(encoding="utf-8")
    assert card == path / "train" / "generator" / "README.md"
    assert (card.parent / "samples.png").read_bytes() == (path / "train/samples/step-001500.png").read_bytes()
    assert text.startswith("---\nlibrary_name: degas\n")
    for words in (
        "# A generator of 16×16 images found by DEGAS",
        "65,536 parameters",
        "![generated images](samples.png)",
        "degas.Generator.load",
        "| `fid_1797_train[imagenet-224]` | 21.74 | 4.02 |",
        "none of its scores is comparable with the paper's",
        "- objective: `sn-gan`",
        "degas train --data digits --out 'runs/my run' --preset quick",
        "had not finished",
    ):
        assert words in text
    architecture = collect_run(path).architecture
    assert architecture is not None
    for edge in architecture.edges:
        assert f"| {edge.source} → {edge.target} | `{edge.operation}` |" in text


@pytest.mark.parametrize(
    ("method", "origin"),
    [
        ("search", "found by DEGAS"),
        ("made by hand", "of an architecture made by hand"),
        ("drawn uniformly", "of an architecture drawn at random"),
    ],
)
def test_a_card_credits_a_search_only_with_what_it_found(tmp_path: Path, method: str, origin: str) -> None:
    path = fake_run(tmp_path / "run")
    config = path / "train" / "generator" / "config.json"
    public = json.loads(config.read_text())
    public["architecture"]["provenance"] = {"method": method}
    write_json(config, public)
    text = model_card(collect_run(path))
    assert f"# A generator of 16×16 images {origin}\n" in text
    assert ("DEGAS finds an architecture" in text) == (method == "search")


def test_a_card_of_a_shipped_generator_loads_it_by_name(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    assert 'degas.Generator.load("path/to/this/folder")' in model_card(run)
    assert 'degas.Generator.from_pretrained("degas-mine")' in model_card(run, shipped_as="degas-mine")


def test_a_card_says_from_what_the_generator_was_fine_tuned(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    assert "fine-tuned" not in model_card(collect_run(path))
    write_json(path / "train" / "config.json", {"init": {"generator": "my_digits", "weights": "ab12"}})
    text = model_card(collect_run(path))
    assert "fine-tuned from my\\_digits" in text
    assert "- fine-tuned from: `my_digits`" in text
    assert "- fingerprint of the weights it began with: `ab12`" in text


def test_a_baseline_and_a_run_without_scores(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", search=False, evaluate=False)
    sizes = {"base_size": 4, "num_stages": 3, "width": 32, "noise_size": 128, "channels": 3}
    write_json(path / "train" / "generator" / "config.json", {"kind": "resnet", "sizes": sizes, "num_classes": 10})
    text = model_card(collect_run(path))
    assert "# A generator of 32×32 images (a hand-made baseline)" in text
    assert "The baseline `resnet`." in text
    assert "Not evaluated yet." in text
    assert "conditional on 10 classes" in text
    assert "samples.png" not in text


def test_a_run_without_a_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `degas train` first"):
        write_model_card(fake_run(tmp_path / "run", train=False))


def test_hostile_texts_stay_text(tmp_path: Path) -> None:
    hostile = "a`b\n```\n<script>alert(1)</script> | [x](javascript:1) # *c*"
    path = fake_run(tmp_path / "run")
    write_json(path / "train" / "config.json", {"gan": {"objective": hostile}, "data": {"source": hostile}})
    write_json(path / "train" / "environment.json", {"command": [hostile], "torch": hostile})
    data = {"source": hostile, "fingerprint": "f"}
    write_json(path / "evaluation" / "scores.json", {"data": data, "scores": {hostile: {"value": 1.0}}})
    text = model_card(collect_run(path))
    outside = "".join(text.split("```")[::2])  # fences are balanced: odd parts are code
    assert text.count("```") == 4
    plain = "".join(outside.split("`")[::2])
    assert "<script>" not in plain
    assert "[x](" not in plain


def test_escape_and_code() -> None:
    assert escape("a|b\n<c>") == "a\\|b \\<c\\>"
    assert code("a`b|c\nd") == "`a'b¦c d`"
