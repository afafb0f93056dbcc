"""Each stage says once, after its first steps, how long it will take and what would make it shorter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from degas.cli.main import main
from degas.cli.options import EvaluateOptions, RunOptions
from degas.cli.parse import option_names
from degas.runtime import estimate, progress

SEARCH = "--search.width 4 --search.noise-size 8 --search.num-epochs 4 --search.batch-images 8 --search.plateau-share 0"
GAN = "--gan.num-steps 12 --gan.width 4 --gan.batch-images 4 --gan.objective sn-gan"
SIZES = f"--data.image-size 8 --data.max-images 64 {SEARCH} {GAN} --evaluate.num-samples 64 --device cpu"


def test_each_stage_says_once_how_long_it_takes_and_what_is_shorter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # reference statistics found there are not estimated
    monkeypatch.setattr(estimate, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(estimate, "MEASURED_STEPS", 1)
    monkeypatch.setattr(estimate, "MEASURED_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_WORTH_SAYING_SECONDS", 0.0)
    assert main(["run", "--data", "digits", "--out", str(tmp_path / "run"), *SIZES.split()]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "  about " in line]
    assert [line.partition("  about ")[0] for line in lines] == ["search", "train sn-gan", "features (imagenet)"]
    searched, trained, evaluated = lines
    assert "for 32 steps" in searched
    assert (
        "; not included: the loss with each operation alone on its edge, measured at the end; to shorten: " in searched
    )
    assert "to shorten: --search.num-epochs 3, fewer images (--data.max-images), " in searched
    assert "for 12 steps" in trained
    assert "for 128 images" in evaluated
    assert "; not included: as many samples of the untrained generator; to shorten: " in evaluated
    known = {name for options in (RunOptions, EvaluateOptions) for name, _ in option_names(options)}
    assert {option for line in lines for option in re.findall(r"--[\w.-]+", line)} - known == set()


def test_the_lines_of_a_searchs_epochs_say_that_they_go_by_alpha(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = f"--data.image-size 8 --data.max-images 64 {SEARCH} --device cpu"
    assert main(["search", "--data", "digits", "--out", str(tmp_path / "run"), *sizes.split()]) == 0
    epochs = [line for line in capsys.readouterr().err.splitlines() if line.startswith("search  epoch")]
    assert len(epochs) == 4
    assert all(re.match(r"search  epoch \d  loss [\d.]+  leads by α: N1\.1 ", line) for line in epochs)
