"""Options: presets beneath what is given, one clear line when they are wrong, and names that scripts rely on."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from degas.cli.options import RunOptions, SearchOptions, TrainOptions
from degas.cli.parse import option_names, parse
from degas.cli.tool_options import DescribeOptions, RandomOptions, ReportOptions, SweepOptions
from degas.errors import UserError
from degas.settings.resolve import settings_for
from degas.settings.sections import SearchSettings

BASE = ["--data", "digits", "--out", "runs/x"]


def test_given_options_lie_over_the_preset_and_the_preset_over_the_defaults() -> None:
    options = parse(SearchOptions, "search", [*BASE, "--preset", "paper", "--search.width", "16"])
    assert options.search.width == 16
    assert options.search.weight_optimizer == "sgd"
    assert options.search.batch_images == 64
    assert parse(SearchOptions, "search", BASE).search.weight_optimizer == "adam"


def test_the_papers_rate_depends_on_the_data_set() -> None:
    rates = {}
    for source in ("cifar-10-binary.tar.gz", "stl10_binary.tar.gz", "img_align_celeba.zip"):
        arguments = ["--data", source, "--out", "x", "--preset=paper"]
        rates[source] = parse(SearchOptions, "search", arguments).search.weight_lr
    assert list(rates.values()) == [0.3, 0.03, 0.03]


def test_underscores_and_hyphens_are_the_same() -> None:
    options = parse(
        RunOptions, "run", [*BASE, "--search.num_epochs", "3", "--gan.num_steps=7", "--data.image-size", "8"]
    )
    assert (options.search.num_epochs, options.gan.num_steps, options.data.image_size) == (3, 7, 8)


def test_a_second_name_is_the_same_setting() -> None:
    for option in ("measuring-batches", "measuring_batches", "perturbation-batches"):
        assert parse(SearchOptions, "search", [*BASE, f"--search.{option}", "3"]).search.perturbation_batches == 3
    assert settings_for("search", SearchSettings, {"measuring_batches": 5}, "default").perturbation_batches == 5
    assert "perturbation_batches" in SearchSettings(measuring_batches=5).model_dump()  # what files say
    with pytest.raises(UserError, match="measuring_batches and perturbation_batches are one setting; give one of"):
        settings_for("search", SearchSettings, {"measuring_batches": 5, "perturbation_batches": 6}, "default")


def test_values_keep_their_underscores() -> None:
    assert parse(SearchOptions, "search", [*BASE, "--search.alpha-batch=held_out"]).search.alpha_batch == "held_out"
    options = parse(RandomOptions, "random", ["--space.normal_operations", "skip", "conv_1x1"])
    assert options.space.normal_operations == ("skip", "conv_1x1")


@pytest.mark.parametrize(
    "name",
    [
        *("--data", "--out", "--seed", "--preset", "--resume", "--data.image-size", "--data.max-images"),
        *("--search.width", "--search.num-epochs", "--search.batch-images", "--search.loss"),
        *("--gan.objective", "--gan.num-steps", "--gan.width", "--gan.supervised"),
        *("--evaluate.extractor", "--evaluate.num-samples"),
    ],
)
def test_the_names_that_scripts_rely_on(name: str) -> None:
    assert name in dict(option_names(RunOptions))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--search.widht", "3"], "unknown setting --search.widht; did you mean '--search.width'?"),
        (["--search.width", "abc"], "--search.width: 'abc' is not a whole number"),
        (["--search.width", "-3"], "--search.width: must be at least 1, not -3"),
        (["--search.weight-lr", "inf"], "--search.weight-lr: must be a finite number, not inf"),
        (["--search.loss", "l3"], "--search.loss: unknown value 'l3'; choose from l2, l2-lap1, lap1"),
        (["--search.alpha-batch", "held-out"], "unknown value 'held-out'; did you mean 'held_out'?"),
        (["--search.width"], "--search.width: its value is missing: --search.width N"),
        (["--search.width", "3", "4"], "'4' belongs to no option"),
        (["--preset", "papr"], "--preset: unknown value 'papr'; did you mean 'paper'?"),
        (["--preset"], "--preset: its value is missing: --preset {quick,default,paper-space,paper,paper-literal}"),
        (["extra"], "'extra' belongs to no option"),
    ],
)
def test_a_mistake_gets_one_line_that_names_the_setting(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(SearchOptions, "search", [*BASE, *arguments])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_options_are_named() -> None:
    with pytest.raises(UserError, match=r"missing --data SRC, --architecture NAME or --init; see degas train --help"):
        parse(TrainOptions, "train", ["--out", "x"])
    with pytest.raises(UserError, match="missing FILE"):
        parse(DescribeOptions, "describe", [])
    with pytest.raises(UserError, match="missing RUN …; see degas report --help"):
        parse(ReportOptions, "report", [])


def test_help_shows_defaults_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(SearchOptions, "search", ["--help-all"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--search.num-epochs" in text
    assert "DARTS code: 50" in text
    assert "[DARTS code] (default: 5)" in text


def test_a_run_that_has_begun_keeps_the_presets_rate_unless_one_is_given(tmp_path: Path) -> None:
    """`--preset paper` has 0.03 for a source named celeba, and a moved copy is named otherwise."""
    arguments = ["--data", "faces", "--out", str(tmp_path), "--preset", "paper"]
    (tmp_path / "search").mkdir()
    config = {"preset": "paper", "search": {"weight_lr": 0.03, "latent_lr": 0.03}}
    (tmp_path / "search" / "config.json").write_text(json.dumps(config))
    for model, command in ((SearchOptions, "search"), (RunOptions, "run")):
        options = parse(model, command, arguments)
        assert (options.search.weight_lr, options.search.latent_lr) == (0.03, 0.03)
        given = parse(model, command, [*arguments, "--search.weight-lr", "0.3"])
        assert (given.search.weight_lr, given.search.latent_lr) == (0.3, 0.03)


def test_help_shows_the_presets_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(SearchOptions, "search", ["--help", "--preset", "paper"])
    assert "(default: 50)" in capsys.readouterr().out


def test_parsing_and_help_need_no_torch() -> None:
    code = "import sys; from degas.cli import main, options; main.main(['--help']); assert 'torch' not in sys.modules"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL)


def test_another_objective_brings_its_own_rates_under_a_preset() -> None:
    from degas.gan.objectives.hinge import SnGan
    from degas.gan.objectives.mmd import RepulsiveMmd
    from degas.gan.settings import resolve_gan

    quick = parse(RunOptions, "run", [*BASE, "--preset", "quick"])
    other = parse(RunOptions, "run", [*BASE, "--preset", "quick", "--gan.objective=sn-gan"])
    mine, its = resolve_gan(quick.gan), resolve_gan(other.gan)
    assert mine.own == RepulsiveMmd(class_weight_critic=0, class_weight_generator=0)
    assert its.own == SnGan(class_weight_critic=0, class_weight_generator=0)
    assert other.gan.num_steps == quick.gan.num_steps


@pytest.mark.parametrize(("model", "command"), [(SearchOptions, "search"), (RunOptions, "run")])
def test_caps_may_be_given_in_short(model: type[SearchOptions] | type[RunOptions], command: str) -> None:
    short = parse(model, command, [*BASE, "--max-params", "500000", "--max-macs", "1000000"]).search_settings()
    long = ["--search.max-params", "500000", "--search.max-macs", "1000000"]
    assert short == parse(model, command, [*BASE, *long]).search_settings()
    assert (short.max_params, short.max_macs) == (500_000, 1_000_000)
    assert parse(model, command, [*BASE, "--search.max-params", "7"]).search_settings().max_params == 7


def test_resume_is_accepted_where_the_same_command_continues() -> None:
    assert parse(SweepOptions, "sweep", ["x.toml", "--out", "d", "--resume"]).file == Path("x.toml")
    experiment = importlib.import_module("degas_lab.commands.extractors").Options
    assert parse(experiment, "experiment extractors", [*BASE, "--resume"]).out == Path("runs/x")
    with pytest.raises(UserError, match="unknown setting --resume: degas report has none; leave it out"):
        parse(ReportOptions, "report", ["run", "--resume"])
