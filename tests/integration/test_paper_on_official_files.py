"""`degas run --preset paper` at small sizes passes every stage on the official files of the paper's three data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import official_sets
import pytest
from tiny_extractor import TinyExtractor

from degas.cli import main as cli

SMALL = (
    *("--search.width", "2", "--search.num-epochs", "1", "--search.batch-images", "8"),
    *("--gan.width", "2", "--gan.num-steps", "2", "--gan.batch-images", "4", "--evaluate.num-samples", "16"),
)


pytestmark = pytest.mark.slow


@pytest.fixture
def tiny_inception(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Inception weights cannot be had here; everything around them runs."""
    from degas.evaluation.extractors import inception

    monkeypatch.setattr(inception, "find_weights", lambda path=None: Path("weights.pth"))
    monkeypatch.setattr(
        inception.InceptionExtractor, "from_file", lambda path: TinyExtractor(inception_score=True), raising=True
    )


@pytest.mark.usefixtures("tiny_inception")
@pytest.mark.parametrize(
    ("write", "size", "rates"),
    [
        (official_sets.cifar10, 32, (0.3, 3.0)),
        (official_sets.stl10, 48, (0.03, 0.3)),
        (official_sets.celeba, 32, (0.03, 0.3)),
    ],
)
def test_the_preset_paper_passes_every_stage(
    write: Callable[[Path], Path], size: int, rates: tuple[float, float], tmp_path: Path
) -> None:
    source, out = write(tmp_path), tmp_path / "run"
    arguments = ("run", "--data", str(source), "--out", str(out), "--preset", "paper", *SMALL, "--quiet")
    assert cli.main(list(arguments)) == 0
    config = json.loads((out / "search" / "config.json").read_text())
    assert (config["data"]["image_size"], config["preset"]) == (size, "paper")
    assert (config["search"]["weight_lr"], config["search"]["latent_lr"]) == rates
    assert config["search"]["weight_momentum"] == 0
    scores = json.loads((out / "evaluation" / "scores.json").read_text())["scores"]
    assert {name.split("_")[0] for name in scores} >= {"fid", "is"}
    assert (out / "report.html").stat().st_size > 0
