"""Runs that go wrong, provoked by settings on the command line: each stops, or warns, with step, term and advice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from degas.cli import main as cli

DATA = ("--data", "digits", "--data.max-images", "24", "--data.image-size", "8", "--quiet")
SEARCH = ("--search.width", "4", "--search.noise-size", "8", "--search.batch-images", "8")
GAN = ("--gan.width", "4", "--gan.batch-images", "8", "--gan.log-steps", "1", "--architecture", "dcgan")


def run(command: str, out: Path, *more: Any) -> int:
    stage = SEARCH if command == "search" else GAN
    return cli.main([str(argument) for argument in (command, "--out", out, *DATA, *stage, *more)])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    assert err.startswith("degas: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(("setting", "value"), [("weight-lr", "1e38"), ("latent-lr", "1e38"), ("alpha-lr", "1e39")])
def test_a_search_loss_that_is_not_finite_stops(setting: str, value: str, tmp_path: Path, capsys: Any) -> None:
    assert run("search", tmp_path, f"--search.{setting}", value, "--search.num-epochs", 3) == 2
    said = one_line(capsys)
    assert re.search(
        r"search: \w+ is (nan|inf|-inf) at step \d+; lower --search.weight-lr and --search.latent-lr", said
    )
    assert not (tmp_path / "search" / "architecture.json").exists()


def test_mixing_weights_that_are_not_finite_stop(tmp_path: Path, capsys: Any) -> None:
    """The loss of the last step can be finite and the α after it not."""
    assert run("search", tmp_path, "--search.weight-lr", "1e30", "--search.num-epochs", 1) == 2
    assert re.search(r"is not finite at step 3: the run diverged; lower its learning rates", one_line(capsys))
    assert not (tmp_path / "search" / "done.json").exists()


@pytest.mark.parametrize(("who", "objective"), [("critic", "wgan-gp"), ("generator", "sn-gan")])
def test_an_adversarial_loss_that_is_not_finite_stops(who: str, objective: str, tmp_path: Path, capsys: Any) -> None:
    rate = (f"--gan.{who}-lr", "1e38", "--gan.objective", objective, "--gan.lr-decay", "none")
    assert run("train", tmp_path, *rate, "--gan.num-steps", 12) == 2
    said = one_line(capsys)
    assert re.search(r"step \d+: (critic|generator) \w+ is (nan|inf|-inf)", said)
    assert "start it again with lower --gan.critic-lr and --gan.generator-lr" in said
    assert not (tmp_path / "train" / "done.json").exists()


def test_an_exploding_penalty_is_told_once_and_logged_every_time(tmp_path: Path, capsys: Any) -> None:
    free = ("--gan.objective", "wgan-gp", "--gan.critic-lr", "0.1", "--gan.penalty-weight", "0", "--gan.num-steps", "6")
    assert run("train", tmp_path, *free) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "the critic's penalty is" in line]
    assert len(told) == 1
    assert re.match(r"warning: step \d+: the critic's penalty is \S+, over 100: training may be diverging", told[0])
    records = [json.loads(line) for line in (tmp_path / "train" / "warnings.jsonl").read_text().splitlines()]
    assert sum(record["kind"] == "penalty" for record in records) > 1


def test_a_collapsed_generator_is_told(tmp_path: Path, capsys: Any) -> None:
    """A rate of 1 saturates every pixel: the same picture whatever the noise."""
    rate = ("--gan.generator-lr", "1", "--gan.lr-decay", "none", "--gan.ema-half-life-images", 0)
    assert run("train", tmp_path, *rate, "--gan.num-steps", 110, "--gan.sample-steps", 110) == 0
    assert re.search(r"warning: step \d+: samples differ \S+ times as much as real images", capsys.readouterr().err)


def test_a_search_that_stays_at_the_mean_image_stops(tmp_path: Path, capsys: Any) -> None:
    rates = ("--search.weight-lr", "1e-9", "--search.weight-lr-min", "0", "--search.latent-lr", "1e-9")
    assert run("search", tmp_path, *rates, "--search.num-epochs", "40") == 2
    said = one_line(capsys)
    assert "nothing was learned" in said
    assert "the mean image alone has" in said
    assert "--search.weight-optimizer adam" in said
