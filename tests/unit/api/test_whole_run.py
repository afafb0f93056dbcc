"""The whole job from Python: which stages it makes, what it refuses before the first, what it says at the end."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_gan import toy_images, toy_settings

import degas
from degas.api.plan import train_facts
from degas.cli import main as cli
from degas.errors import UserError
from degas.settings.sections import SpaceSettings

SMALL = {"max_images": 24, "image_size": 8}
SEARCH = {"width": 4, "noise_size": 6, "num_epochs": 1, "batch_images": 8, "plateau_share": 0}
GAN = {"num_steps": 2, "width": 4, "batch_images": 8}
TINY = [
    *("--data", "digits", "--data.max-images", "24", "--data.image-size", "8", "--search.width", "4"),
    *("--search.noise-size", "6", "--search.num-epochs", "1", "--search.batch-images", "8"),
    *("--search.plateau-share", "0", "--gan.num-steps", "2", "--gan.width", "4", "--gan.batch-images", "8"),
    *("--evaluate.num-samples", "16", "--quiet"),
]


@pytest.fixture(autouse=True)
def tiny_extractor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tiny_extractor import TinyExtractor

    extractor = TinyExtractor().eval()
    monkeypatch.setattr("degas.evaluation.evaluate.build_extractor", lambda settings, device: extractor)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(out: str | Path, *, data: Any = "digits", **more: Any) -> tuple[Any, list[str]]:
    stages: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        finished = degas.run(
            data,
            out,
            **{
                "data_settings": SMALL,
                "search": SEARCH,
                "gan": GAN,
                "evaluate": {"num_samples": 16},
                "progress": False,
                "told": lambda stage, value: stages.append(stage),
                **more,
            },
        )
    return finished, stages


def test_images_in_memory_and_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `search` and `train` accept, `run` accepts as well."""
    monkeypatch.setenv("HOME", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    finished, _ = run("~/run", data=images, data_settings={"image_size": 8})
    environment = json.loads((tmp_path / "run" / "train" / "environment.json").read_bytes())
    assert environment["command"][-1] == "import degas; degas.run(<ndarray>, '~/run')"
    assert finished.report == tmp_path / "run" / "report.html"
    assert finished.generator.channels == 3
    assert not (tmp_path / "run" / "film.webp").exists()  # one grid of samples is no film


def test_it_makes_everything_and_the_second_call_makes_nothing_anew(tmp_path: Path) -> None:
    finished, stages = run(tmp_path / "run", gan={**GAN, "sample_steps": 1})
    assert stages == ["images", "search", "architecture", "train", "evaluate", "report"]
    for name in ("samples.png", "film.webp", "report.html", "train/generator/README.md", "evaluation/scores.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0, name
    made = (tmp_path / "run" / "train" / "generator" / "model.safetensors").stat().st_mtime_ns
    again, _ = run(tmp_path / "run", gan={**GAN, "sample_steps": 1})
    assert again.scores == finished.scores
    assert (tmp_path / "run" / "train" / "generator" / "model.safetensors").stat().st_mtime_ns == made


@pytest.mark.parametrize("architecture", ["resnet", "degas-cifar10-nearest"])
def test_an_architecture_skips_the_search(architecture: str, tmp_path: Path) -> None:
    size = {} if architecture == "resnet" else {"data_settings": {"max_images": 24, "image_size": 16}}
    sizes = {**GAN, "generator_width": 4, "noise_size": 6}
    finished, stages = run(tmp_path / "run", architecture=architecture, search=None, gan=sizes, **size)
    assert stages == ["images", "train", "evaluate", "report"]
    assert not (tmp_path / "run" / "search").exists()
    assert (finished.generator.architecture is None) == (architecture == "resnet")
    assert finished.report.stat().st_size > 0


def test_given_weights_skip_the_search_and_are_fine_tuned(tmp_path: Path, capsys: Any) -> None:
    finished, _ = run(tmp_path / "first", architecture="resnet", search=None, gan={**GAN, "noise_size": 6})
    tuned, stages = run(tmp_path / "second", init=tmp_path / "first", search=None)
    assert stages == ["images", "train", "evaluate", "report"]
    assert tuned.generator.config["sizes"] == finished.generator.config["sizes"]
    record = json.loads((tmp_path / "second" / "train" / "config.json").read_bytes())["init"]
    assert record["generator"] == str(tmp_path / "first")
    assert record["weights"] == finished.scores["generator"]["weights"]
    again, _ = run(tmp_path / "second", init=tmp_path / "first", search=None)
    assert again.scores == tuned.scores
    words = [word for k, word in enumerate(TINY) if not _of(TINY, k, ("--search",))]
    words = [*words, "--init", str(tmp_path / "first"), "--out", str(tmp_path / "third")]
    assert cli.main(["run", *words, "--dry-run"]) == 0
    assert f"fine-tuned from       {tmp_path / 'first'}" in capsys.readouterr().out
    assert cli.main(["run", *words]) == 0
    assert f"fine-tuned from {tmp_path / 'first'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"init": "nowhere"},
            "--search.batch-images --search.plateau-share: there is no search with --init; leave",
        ),
        ({"architecture": "resnt"}, "'resnt'; did you mean 'resnet'?"),
        ({"architecture": "resnet", "search": {"width": 4}}, "--search.width: there is no search with --architecture"),
        ({"architecture": "resnet", "search": None, "seeds": 3}, "--seeds: there is no search with --architecture"),
        (
            {"architecture": "resnet", "search": {"width": 4, "num_epochs": 7}, "seeds": 3},
            "--seeds --search.width --search.num-epochs: there is no search with --architecture; leave out --arch",
        ),
        ({"seed": "a"}, "seed: must be a whole number, not 'a'"),
        ({"seeds": 2.5}, "seeds: must be a whole number, not 2.5"),
        ({"search": {"width": "wide"}}, "search.width: must be a whole number, not 'wide'"),
        ({"gan": {**GAN, "objective": "mdd"}}, "mdd"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_stage(more: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path / "run", **more)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_seeds_make_a_consensus(tmp_path: Path) -> None:
    run(tmp_path / "run", seeds=2)
    assert json.loads((tmp_path / "run" / "search" / "agreement.json").read_bytes())["seeds"] == [0, 1]
    assert (tmp_path / "run" / "report.html").exists()


def test_a_degenerate_search_is_told_when_the_run_goes_on_and_at_its_end(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["run", *TINY, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    record = [{"kind": "all-skip", "where": "N1", "warning": "N1: all are skips; compare with other seeds (--seeds)"}]
    (tmp_path / "run" / "search" / "degenerate.json").write_text(json.dumps(record))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["run", *TINY, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    assert "degas: warning: N1: all are skips" in said.err
    assert said.out.rstrip().splitlines()[-1] == "warning         N1: all are skips; compare with other seeds (--seeds)"


def test_what_a_warning_of_the_search_advises_its_commands_have() -> None:
    import re

    from degas.cli.arguments import options_of
    from degas.cli.options import RunOptions, SearchOptions
    from degas.nas.results import degenerate

    advised = set(re.findall(r"--[\w.-]+\w", Path(degenerate.__file__).read_text(encoding="utf-8")))
    assert len(advised) >= 5
    for model in (RunOptions, SearchOptions):
        assert advised <= {option.name for option in options_of(model)}


@pytest.mark.parametrize("command", ["run", "search", "train"])
def test_a_dry_run_says_all_and_writes_nothing(command: str, tmp_path: Path, capsys: Any) -> None:
    only = {"run": ("",), "search": ("--gan", "--evaluate"), "train": ("--search",)}[command]
    words = [word for k, word in enumerate(TINY) if not _of(TINY, k, only)]
    words += ["--architecture", "resnet"] if command == "train" else []
    before = set(tmp_path.rglob("*"))
    assert cli.main([command, *words, "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert set(tmp_path.rglob("*")) == before
    facts = {line.split("  ")[0]: line for line in said.split("\n\n")[1].splitlines()}
    assert "24, 1×8×8, 10 classes" in facts["images"]
    if command != "train":
        assert "  3 " in facts["search steps"]
        assert any(unit in facts["search memory"] for unit in ("KiB", "MiB", "GiB"))
        assert "search.width" in said
    if command != "search":
        assert "  2 " in facts["training steps"]
        assert "gan.penalty_weight" in said


def _of(words: list[str], k: int, sections: tuple[str, ...]) -> bool:
    """Whether a word, or the option that it is the value of, is of one of these sections."""
    name = words[k] if words[k].startswith("--") else words[k - 1]
    return any(section and name.startswith(f"{section}.") for section in sections)


def test_a_dry_run_counts_the_steps_that_a_search_takes(tmp_path: Path, capsys: Any) -> None:
    words = [word for k, word in enumerate(TINY) if not _of(TINY, k, ("--gan", "--evaluate"))]
    assert cli.main(["search", *words, "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    facts = capsys.readouterr().out
    assert cli.main(["search", *words, "--out", str(tmp_path / "run"), "--search.log-steps", "1"]) == 0
    lines = (tmp_path / "run" / "search" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert f"search steps       {len(set(steps))} " in facts, (facts, steps)


def test_a_dry_run_names_the_stages_of_a_training_that_grows(tmp_path: Path, capsys: Any) -> None:
    words = ["--data", "digits", "--data.max-images", "24", "--data.image-size", "16", "--gan.width", "2"]
    words += ["--gan.num-steps", "5000", "--gan.grow", "fade", "--out", str(tmp_path / "run"), "--dry-run"]
    assert cli.main(["train", *words, "--architecture", "resnet"]) == 0
    facts = [line.split("  ") for line in capsys.readouterr().out.split("\n\n")[1].splitlines()]
    stages = {row[0]: [word.strip() for word in row[1:] if word.strip()] for row in facts}
    assert stages["stage at 8 px"] == ["2,500 steps", "1 to 2,500 of the generator"]
    assert stages["stage at 16 px"] == ["2,500 steps", "2,501 to 5,000 of the generator"]
    assert stages["critic parameters"] != stages["generator parameters"]
    assert cli.main(["train", *words, "--architecture", "dcgan"]) == 2
    assert not list(tmp_path.iterdir())


def test_before_a_search_a_plan_names_the_same_stages_and_critic_as_after_it() -> None:
    given = (toy_images(24, 16), toy_settings(grow="fade", width=2, num_steps=5000), SpaceSettings())
    before, after = (train_facts(*given, architecture, 0) for architecture in (None, "resnet"))
    assert [name for name, *_ in before] == [
        *("training steps", "stage at 8 px", "stage at 16 px", "critic parameters", "generator parameters")
    ]
    assert before[:4] == after[:4]


def test_a_plan_reads_once_what_the_run_has_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degas.cli import dry_run

    read: list[Any] = []
    begun_run = dry_run.begun_run
    monkeypatch.setattr(dry_run, "begun_run", lambda out: read.append(out) or begun_run(out))
    words = [word for k, word in enumerate(TINY) if not _of(TINY, k, ("--search",))] + ["--architecture", "resnet"]
    assert cli.main(["run", *words, "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    assert read == [tmp_path / "run"]


def test_a_dry_run_refuses_what_the_run_would(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["run", *TINY, "--out", str(tmp_path / "run"), "--dry-run", "--evaluate.num-samples", "1"]) == 2
    assert cli.main(["run", *TINY, "--out", str(tmp_path / "run"), "--dry-run", "--max-params", "5"]) == 2
    assert "no architecture has at most 5 parameters" in capsys.readouterr().err


@pytest.mark.parametrize("architecture", [[], ["--architecture", "resnet"]])
def test_the_rate_that_a_search_keeps_is_the_presets(architecture: list[str], tmp_path: Path, capsys: Any) -> None:
    """Begun under the name of one data set, gone on with under another; it is no setting that was given."""
    (tmp_path / "run" / "search").mkdir(parents=True)
    config = {"preset": "paper", "search": {"weight_lr": 0.03, "latent_lr": 0.03}}
    (tmp_path / "run" / "search" / "config.json").write_text(json.dumps(config))
    kept = ("--search",) if architecture else ()
    words = [word for k, word in enumerate(TINY) if not _of(TINY, k, kept)] + architecture
    assert cli.main(["run", *words, "--out", str(tmp_path / "run"), "--preset", "paper", "--dry-run"]) == 0
    rates = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if "search.latent_lr" in line]
    assert rates == ([] if architecture else [["0.03", "preset"]])


def test_few_images_without_augmentation_are_told(tmp_path: Path) -> None:
    from degas.api.whole_run import hint_for_few
    from degas.data.sources import load_images
    from degas.settings.sections import DataSettings

    few = load_images("digits", DataSettings(max_images=50))
    with pytest.warns(UserWarning, match="50 images are few; augmentation is off, .* diffaugment on yours"):
        hint_for_few(few, "none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hint_for_few(few, "diffaugment")
        hint_for_few(load_images("digits", DataSettings()), "none")
