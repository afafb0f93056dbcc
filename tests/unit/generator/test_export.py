"""Exported files compute what PyTorch computes, at any batch size; whatever is wrong is said in one line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from degas.cli import main as cli
from degas.errors import UserError
from degas.generator import export
from degas.generator.export import CONFIG_KEY, export_generator, largest_difference
from degas.generator.generator import Generator, draw_labels, draw_noise
from degas.nets.normalisation import batch_norms
from degas.space.architecture import Architecture
from degas.space.graph import NORMAL_OPERATIONS, UP_OPERATIONS, Edge, SearchSpace

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in export.ONNX_PACKAGES),
    reason="the extra `export` (onnx, onnxscript, onnxruntime) is not installed",
)


def every_operation(order: str = "preact") -> Architecture:
    """Three normal maps a stage and three stages: every normal operation once, every up operation at ×2 or ×4."""
    space = SearchSpace(num_stages=3, num_normal=3)
    normal, up = list(NORMAL_OPERATIONS), list(UP_OPERATIONS) * 3
    edges = [
        Edge(slot.source, slot.target, normal.pop() if slot.kind == "normal" else up.pop())
        for slot in space.slots
        if slot.direct or slot.kind == "up"
    ]
    assert not normal
    return Architecture(3, 3, 2, 4, 6, 3, tuple(edges), order)  # type: ignore[arg-type]


def small(num_classes: int = 0, sampling_bn: Any = "running") -> Generator:
    architecture = Architecture(1, 1, 2, 3, 5, 1, SearchSpace(1, 1).draw(0))
    return moved(Generator.from_architecture(architecture, num_classes, sampling_bn=sampling_bn))


def moved(generator: Generator) -> Generator:
    """No parameter or statistic at a value that hides a mistake."""
    torch.manual_seed(0)
    for value in generator.parameters():
        value.data += 0.1 * torch.randn_like(value)
    for norm in batch_norms(generator):
        norm.running_mean.normal_(std=0.3)
        norm.running_var.uniform_(0.5, 2.0)
    return generator.eval()


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("order", ["preact", "darts"])
def test_onnx_of_every_operation(order: str, tmp_path: Path) -> None:
    generator = moved(Generator.from_architecture(every_operation(order)))
    written = export_generator(generator, tmp_path / "g.onnx")
    assert written.largest_difference < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["g.onnx"]  # one file, weights inside


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["resnet", "dcgan"])
def test_onnx_of_the_baselines(kind: str, tmp_path: Path) -> None:
    sizes = {"width": 8, "noise_size": 4, "base_size": 4, "num_stages": 2, "channels": 3}
    generator = moved(Generator.from_baseline(kind, **sizes, num_classes=2))
    assert export_generator(generator, tmp_path / "g.onnx").largest_difference < 1e-5


@needs_onnx
@pytest.mark.slow
def test_onnx_read_by_onnxruntime_alone(tmp_path: Path) -> None:
    """Names, types, a batch size of one's own, and the configuration inside the file."""
    import onnxruntime

    generator = small(num_classes=3)
    export_generator(generator, tmp_path / "g.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"), providers=["CPUExecutionProvider"])
    assert [(value.name, value.type) for value in session.get_inputs()] == [
        ("noise", "tensor(float)"),
        ("labels", "tensor(int64)"),
    ]
    assert session.get_inputs()[0].shape[1] == 5
    noise, labels = draw_noise(11, 5, 7), draw_labels(11, 3, 7)
    (images,) = session.run(None, {"noise": noise.numpy(), "labels": labels.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(images), generator(noise, labels), atol=1e-5, rtol=0)
        assert (generator(noise, labels) - generator(noise, (labels + 1) % 3)).abs().max() > 0.01  # labels do matter
    config = session.get_modelmeta().custom_metadata_map[CONFIG_KEY]
    assert Generator(json.loads(config)).num_parameters == generator.num_parameters


@pytest.mark.parametrize("num_classes", [0, 3])
def test_torch_export_loads_without_degas_classes(num_classes: int, tmp_path: Path) -> None:
    generator = small(num_classes)
    written = export_generator(generator, tmp_path / "g.pt2", "torch-export")
    assert written.largest_difference < 1e-6
    extra = {f"{CONFIG_KEY}.json": ""}
    network = torch.export.load(tmp_path / "g.pt2", extra_files=extra).module()
    noise, labels = draw_noise(9, 5, 3), draw_labels(9, 3, 3)
    arguments = (noise, labels) if num_classes else (noise,)
    with torch.no_grad():
        torch.testing.assert_close(network(*arguments), generator(*arguments), atol=1e-6, rtol=0)
    assert json.loads(extra[f"{CONFIG_KEY}.json"])["num_classes"] == num_classes


def test_batch_statistics_are_replaced_in_a_copy(tmp_path: Path) -> None:
    generator = small(sampling_bn="batch")
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    written = export_generator(generator, tmp_path / "g.pt2", "torch-export")
    assert "recalibrated" in written.note
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    network = torch.export.load(tmp_path / "g.pt2").module()
    noise = draw_noise(500, 5, 1)
    with torch.no_grad():
        normalised = generator.train()(noise)  # the statistics of a large batch are nearly the mean ones
        stored = generator.eval()(noise)
        assert (network(noise) - normalised).abs().mean() < 0.02
        assert (network(noise) - stored).abs().mean() > 0.05


def test_a_file_that_differs_is_not_left(tmp_path: Path, monkeypatch: Any) -> None:
    generator = small()
    load = export._load_program
    monkeypatch.setattr(export, "_load_program", lambda path: lambda noise, labels: load(path)(noise, labels) + 1e-3)
    with pytest.raises(RuntimeError, match=r"differs from PyTorch by 0\.001"):
        export_generator(generator, tmp_path / "g.pt2", "torch-export")
    assert not list(tmp_path.iterdir())


def test_the_check_sees_what_is_not_a_number_and_a_baked_in_batch() -> None:
    generator = small()
    nan = largest_difference(generator, lambda noise, labels: generator(noise) * float("nan"))
    assert not nan <= export.TOLERANCE
    with pytest.raises(RuntimeError, match="gives"):
        largest_difference(generator, lambda noise, labels: torch.zeros(2, 1, 4, 4))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(UserError, match=r"needs onnxscript; in degas' folder: pip install -e '\.\[export\]'"):
        export_generator(small(), tmp_path / "g.onnx")


@pytest.mark.parametrize(
    ("out", "file_format", "message"),
    [("x.pt2", "tensorrt", "unknown format"), (".", "torch-export", "is a folder"), ("f/x", "torch-export", "written")],
)
def test_bad_input(out: str, file_format: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a file where a folder is needed")
    with pytest.raises(UserError, match=message):
        export_generator(small(), tmp_path / out, file_format)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(num_classes=3).save(tmp_path / "run" / "train" / "generator")
    out = tmp_path / "g.pt2"
    words = ["export", "--generator", str(tmp_path / "run"), "--format", "torch-export", "--out", str(out)]
    assert cli.main(words) == 0
    assert "labels (N,) → images (N, 1, 4, 4)" in capsys.readouterr().out
    assert out.is_file()
    assert cli.main([*words[:4], "onx", *words[5:]]) == 2
    assert "did you mean 'onnx'" in capsys.readouterr().err
