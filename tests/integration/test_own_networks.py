"""A generator, a critic and an objective of one's own go through the commands like those that come with degas."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import degas
from degas.cli.main import main
from degas.errors import UserError
from degas.gan.objectives import OBJECTIVES
from degas.nets.critic import CRITICS
from degas.nets.generators import GENERATORS
from degas.nets.normalisation import batch_norms, frozen_buffers, recalibrate

EXAMPLES = Path(__file__).parents[2] / "examples" / "own_networks"
TINY = "--data digits --data.max-images 48 --data.image-size 8 --gan.num-steps 2 --gan.width 4 --gan.batch-images 8"
TINY += " --gan.sample-steps 1 --device cpu --quiet"


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    for registry in (OBJECTIVES, CRITICS, GENERATORS):
        monkeypatch.setattr(registry, "_things", dict(registry._things))
    yield
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


def run(command: str, *more: object) -> int:
    return main([*command.split(), *map(str, more)])


def train(out: Path, example: str, words: str) -> int:
    return run(f"train {TINY} {words}", "--import", EXAMPLES / f"{example}.py", "--out", out)


def forget(example: str) -> None:
    """As a new process would be without `--import`."""
    sys.modules.pop(example, None)
    GENERATORS._things.pop("upsampler", None)


@pytest.mark.slow
def test_an_own_generator_through_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, own = tmp_path / "run", EXAMPLES / "own_generator.py"
    assert train(out, "own_generator", "--architecture upsampler") == 0
    config = json.loads((out / "train" / "generator" / "config.json").read_text())
    assert (config["kind"], config["module"]) == ("upsampler", "own_generator")
    commands = {
        "sample": ("--num-images", 4, "--out", tmp_path / "grid.png"),
        "export": ("--format", "torch-export", "--out", tmp_path / "g.pt2"),
        "evaluate": (*TINY.split()[:6], "--quiet", "--evaluate.num-samples", 32, "--out", out),
    }
    for command, more in commands.items():
        forget("own_generator")
        capsys.readouterr()
        assert run(command, "--generator", out, *more) == 2
        error = capsys.readouterr().err
        assert (
            "is registered by the module 'own_generator', which is not imported; give --import own_generator" in error
        )
        assert error.count("\n") == 1
        assert run(command, f"--import={own}", "--generator", out, *more) == 0
    forget("own_generator")
    assert run("report", out) == 0
    assert "upsampler" in (out / "report.html").read_text()
    assert train(out, "own_generator", "--architecture upsampler --resume") == 0


@pytest.mark.slow
def test_an_own_critic_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--architecture resnet --gan.critic plain"
    assert train(tmp_path / "mmd", "own_critic", words) == 0
    assert json.loads((tmp_path / "mmd" / "train" / "config.json").read_text())["gan"]["critic"] == "plain"
    assert train(tmp_path / "r3gan", "own_critic", f"{words} --gan.objective r3gan") == 0
    for objective, message in (
        ("ct-gan", "--gan.critic plain: the objective compares features (N, F), but the critic returns none"),
        (
            "r3gan --gan.supervised",
            "--gan.critic plain: class_logits of two images are none but must be (2, 10); follow num_classes",
        ),
        ("mmd --gan.supervised", "--gan.critic plain: its forward takes no labels, which a projection needs; let it"),
    ):
        capsys.readouterr()
        assert train(tmp_path / "no", "own_critic", f"{words} --gan.objective {objective}") == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "no" / "train" / "checkpoints").exists()
    assert run(f"train {TINY} --architecture resnet --gan.critic plian", "--out", tmp_path / "no") == 2
    assert "--gan.critic: unknown critic 'plian'; known are plain, resnet" in capsys.readouterr().err


@pytest.mark.slow
def test_an_own_objective_trains_with_its_own_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--architecture resnet --gan.objective least-squares"
    for target in (0.9, 0.5):
        assert train(tmp_path / f"{target}", "own_objective", f"{words} --gan.real-target {target}") == 0
        assert json.loads((tmp_path / f"{target}/train/config.json").read_text())["gan"]["real_target"] == target
    first, second = ((tmp_path / f"{target}/train/metrics.jsonl").read_text() for target in (0.9, 0.5))
    assert first != second
    capsys.readouterr()
    assert train(tmp_path / "no", "own_objective", "--architecture resnet --gan.real-target 1") == 2
    error = capsys.readouterr().err
    assert "--gan.real-target: objective mmd has no such setting; it belongs to least-squares" in error
    assert train(tmp_path / "no", "own_objective", f"{words} --gan.real-target -1") == 2
    assert "--gan.real-target" in capsys.readouterr().err
    assert train(tmp_path / "no", "own_objective", f"{words} --gan.real-target 0.9 --dry-run") == 0
    assert ["gan.real_target", "0.9", "given"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    images = degas.data.sources.load_images("digits", degas.settings.sections.DataSettings(max_images=24, image_size=8))
    gan = {"objective": "least-squares", "real_target": 0.3, "num_steps": 1, "width": 4, "batch_images": 4}
    degas.train("resnet", images, tmp_path / "python", gan=gan, progress=False, device="cpu")
    assert json.loads((tmp_path / "python/train/config.json").read_text())["gan"]["real_target"] == 0.3


@pytest.mark.parametrize("name", ["own_generator", "own_critic", "own_objective"])
def test_each_example_is_under_30_lines(name: str) -> None:
    code = (EXAMPLES / f"{name}.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) < 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such module; give its name, or the path of its .py file"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all' (mine.py, line 1)"),
        ("\n1/0", "ZeroDivisionError: division by zero (mine.py, line 2)"),
        ("import degas\n@degas.register_generator('dcgan')\ndef f(): ...", "generator 'dcgan' is already registered"),
    ],
)
def test_an_import_that_fails_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    assert run("space", "--import", path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "mine" not in sys.modules


def test_a_module_of_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(EXAMPLES / "own_critic.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run("space --import own_critic --json") == 0
    assert "plain" in CRITICS
    assert run("space --import") == 2
    assert "--import: give the name of a module" in capsys.readouterr().err


class Wrong(nn.Module):
    def __init__(self, channels: int, image_size: int, scale: float = 1.0, extra: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.shape, self.scale = (channels, image_size + extra, image_size), scale

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        return self.scale * self.weight * torch.ones(len(noise), *self.shape)


@pytest.mark.parametrize(
    ("changes", "num_classes", "message"),
    [
        ({"extra": 1}, 0, r"makes \(2, 3, 9, 8\) of two rows of noise, not \(2, 3, 8, 8\)"),
        ({"scale": 1.5}, 0, r"its images leave \[−1, 1\]; end it with a tanh"),
        ({"scale": float("nan")}, 0, r"its images leave \[−1, 1\]"),
        ({}, 2, "takes no num_classes, so it cannot use labels"),
    ],
)
def test_a_generator_that_makes_other_images_is_refused(changes: dict, num_classes: int, message: str) -> None:
    @degas.register_generator("wrong")
    def wrong(channels: int, image_size: int) -> nn.Module:
        return Wrong(channels, image_size, **changes)

    sizes = {"width": 4, "noise_size": 4, "base_size": 4, "num_stages": 1, "channels": 3}
    with pytest.raises(UserError, match=message):
        degas.Generator.from_baseline("wrong", **sizes, num_classes=num_classes)


def test_torchs_batch_norms_hold_still_and_are_recalibrated_as_ours() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm2d(2))
    x = 3 + 2 * torch.randn(64, 2, 4, 4)
    norm = batch_norms(module)[0]
    with frozen_buffers(module):
        module(x)
    assert torch.equal(norm.running_mean, torch.zeros(2))
    assert int(norm.num_batches_tracked) == 0
    recalibrate(module, lambda k: module(x[16 * k : 16 * k + 16]), num_batches=4)
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
    assert norm.momentum == 0.1
    assert norm.track_running_stats
