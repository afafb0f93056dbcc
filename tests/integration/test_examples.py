"""The examples run as they are, at tiny sizes."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import degas
from degas.nas.supernet.mixed import MixedOp, SharedActivation
from degas.nets.normalisation import BatchNorm
from degas.nets.operations import build_operation
from degas.report.render import write_report
from degas.space.architecture import Architecture
from degas.space.graph import OPERATION_KINDS, SearchSpace

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small(num_classes: int = 0) -> degas.Generator:
    torch.manual_seed(0)
    architecture = Architecture(1, 1, 4, 4, 6, 1, SearchSpace(1, 1).draw(0))
    return degas.Generator.from_architecture(architecture, num_classes)


def digits(**options: Any) -> Any:
    from degas.data.sources import load_images
    from degas.settings.sections import DataSettings

    return load_images("digits", DataSettings(image_size=8, max_images=48, **options))


def run_script(name: str, *arguments: Any) -> str:
    source = str(Path(degas.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / name / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def own_search_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example with what it registers taken back afterwards."""
    from degas.data import registered
    from degas.nets import operations

    for table, place in (("_BUILDERS", operations), ("SOURCES", registered)):
        monkeypatch.setattr(place, table, dict(getattr(place, table)))
    kinds = dict(OPERATION_KINDS)
    yield load("own_search_space")
    OPERATION_KINDS.clear()
    OPERATION_KINDS.update(kinds)


def test_own_search_space_searches_prunes_saves_loads_and_trains(own_search_space: Any, tmp_path: Path) -> None:
    search = {"num_epochs": 1, "width": 4, "noise_size": 8, "plateau_share": 0}
    gan = {"num_steps": 2, "width": 4, "batch_images": 4, "sample_steps": 1, "log_steps": 1}
    generator = own_search_space.main(str(tmp_path), search=search, gan=gan)
    assert generator.sample(2).shape == (2, 3, 16, 16)
    alpha = (tmp_path / "search" / "alpha.jsonl").read_text().splitlines()[-1]
    assert alpha.count('"pixel_shuffle"') == 5  # a candidate of every up edge
    write_report([tmp_path], tmp_path / "report.html")
    assert "pixel_shuffle" in (tmp_path / "report.html").read_text()


def test_a_registered_operation_is_built_mixed_saved_and_loaded(own_search_space: Any, tmp_path: Path) -> None:
    """Alone on every up edge, ×4 included, whatever a search would choose."""
    space = SearchSpace(num_stages=2, up_operations=("pixel_shuffle",))
    architecture = Architecture(2, 1, 4, 4, 6, 3, space.draw(3))
    architecture.save(tmp_path / "a.json")
    assert degas.Architecture.load(tmp_path / "a.json") == architecture
    generator = degas.Generator.from_architecture(architecture)
    generator.save(tmp_path / "g")
    assert degas.Generator.load(tmp_path / "g").sample(1).equal(generator.sample(1))
    assert generator(torch.randn(2, 6)).shape == (2, 3, 16, 16)


def test_a_registered_operation_is_mixed_as_the_plain_sum(own_search_space: Any) -> None:
    """The supernet's kernel space knows nothing of it and must still compute Σ softmax(α)·o(x)."""
    names = ("deconv_4x4", "pixel_shuffle", "nearest_conv_3x3")
    torch.manual_seed(0)
    for slot in SearchSpace(num_stages=2, up_operations=names).slots:
        if slot.kind == "up":
            mixed = MixedOp(slot, names, 4, alpha_std=1.0)
            x = torch.randn(3, 4, 5, 5)
            weights = torch.softmax(mixed.alpha, dim=0)
            plain = sum(w * alone(name, mixed, slot.factor)(x) for w, name in zip(weights, names, strict=True))
            torch.testing.assert_close(mixed(SharedActivation(4)(x)), plain, atol=1e-5, rtol=1e-5)


def alone(name: str, mixed: MixedOp, factor: int) -> torch.nn.Module:
    """The operation by itself, with the weights it has in the mix."""
    operation = build_operation(name, 4, factor=factor, norm=lambda width: BatchNorm(width, affine=False))
    for value, its in zip(operation.parameters(), mixed.branches[name].parameters(), strict=True):
        value.data.copy_(its)
    return operation


def test_the_own_search_space_takes_under_30_lines() -> None:
    text = (EXAMPLES / "own_search_space" / "own_search_space.py").read_text()
    added = re.search(r"^def pixel_shuffle.*?^degas\.register_source\(.*?\)$", text, re.M | re.S)
    assert added is not None
    assert len([line for line in added[0].splitlines() if line.strip()]) < 30


@pytest.mark.parametrize("num_classes", [0, 10])
def test_the_stylegan_adapter(num_classes: int) -> None:
    example = load("stylegan_convention")
    generator = small(num_classes).eval()
    G = example.StyleGanGenerator(generator)
    assert (G.z_dim, G.c_dim, G.img_resolution, G.img_channels) == (6, num_classes, 8, 1)
    z, labels = torch.randn(5, 6), torch.arange(5)
    c = torch.nn.functional.one_hot(labels, num_classes).float() if num_classes else torch.zeros(5, 0)
    expected = generator(z, labels if num_classes else None)
    assert torch.equal(G(z, c, truncation_psi=0.7, noise_mode="const"), expected)


@pytest.mark.parametrize("num_classes", [0, 10])
def test_the_stylegan_loop_trains_generator_and_critic(num_classes: int) -> None:
    example = load("stylegan_convention")
    G = example.StyleGanGenerator(small(num_classes).train())
    D = example.StyleGanCritic(G.c_dim, 8, 1, width=4)
    before = {name: value.clone() for name, value in [*G.named_parameters(), *D.named_parameters()]}
    data = digits()
    labels = torch.nn.functional.one_hot(torch.from_numpy(data.labels), 10).float()[:, :num_classes]
    G_ema, losses = example.training_loop(G, D, torch.from_numpy(data.images), labels, num_steps=3, batch=8)
    assert len(losses) == 3
    unmoved = [n for n, v in [*G.named_parameters(), *D.named_parameters()] if torch.equal(v, before[n])]
    assert not [name for name in unmoved if "bias" not in name]
    assert not any(torch.equal(mean, new) for mean, new in zip(G_ema.parameters(), G.parameters(), strict=True))


def test_the_stylegan_script(tmp_path: Path) -> None:
    small().save(tmp_path / "run" / "train" / "generator")
    words = ("--generator", tmp_path / "run", "--data", "digits", "--num-steps", 2, "--out", tmp_path / "out")
    assert "last generator loss" in run_script("stylegan_convention", *words)
    assert degas.Generator.load(tmp_path / "out").sample(1).shape == (1, 1, 8, 8)


def test_the_lightning_module_trains(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="lightning is not installed: examples/lightning_gan/requirements.txt")
    example = load("lightning_gan")
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    architecture = Architecture(1, 1, 4, 4, 6, 1, SearchSpace(1, 1).draw(0))
    torch.manual_seed(0)
    out = tmp_path / "generator"
    module = example.train(architecture, "digits", str(out), max_steps=6, image_size=8, **quiet)
    assert module.trainer.global_step == 6  # three rounds of critic and generator
    assert {"critic_loss", "generator_loss"} <= set(module.trainer.callback_metrics)
    torch.manual_seed(0)
    fresh = degas.Generator.from_architecture(architecture)
    trained = degas.Generator.load(out)
    assert trained.sample(2).shape == (2, 1, 8, 8)
    changed = [not torch.equal(a, b) for a, b in zip(fresh.parameters(), trained.parameters(), strict=True)]
    assert all(changed)


def test_the_lightning_requirements_are_pinned() -> None:
    lines = (EXAMPLES / "lightning_gan" / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all("==" in line for line in pins)
