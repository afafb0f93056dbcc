"""Bytes counted in two processes equal those computed from the numbers of parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from degas.cli.main import main
from degas.gan.fresh import build_critic
from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import resolve_gan
from degas.nas.state import Search
from degas.nets.cost import count_parameters
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SpaceSettings
from degas_lab.sizes import Sizes
from degas_lab.speed.bench import drawn_generator
from degas_lab.speed.communication import Traffic, communication, counted, rows

SMALL = Sizes(width=4, batch_images=4, image_size=8, noise_size=8)


@pytest.mark.slow
def test_counted_bytes_are_those_of_the_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b.json"
    sizes = ("--width", "4", "--batch-images", "4", "--image-size", "8")
    assert main(["benchmark", "--out", str(file), "--parts", "communication", *sizes, "--device", "cpu"]) == 0
    found = json.loads(file.read_bytes())["communication"]
    assert "search step " in capsys.readouterr().out
    own = Sizes(width=4, batch_images=4, image_size=8)
    search = Search(own.images(0), own.search(), SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    weights = sum(weight.numel() for weight in (*search.signal.weights, *search.supernet.alphas()))
    assert found["search_step"]["all_reduce_bytes"] == 4 * weights
    assert found["search_step"]["all_gather_bytes"] == 4 * (4 * own.noise_size + 8)  # gradients, and index of 8 bytes
    generator = count_parameters(drawn_generator(own, 0))
    assert set(found["training_step"]) == set(OBJECTIVES)
    for objective, step in found["training_step"].items():
        settings = resolve_gan(GanSettings(objective=objective, width=4, batch_images=4))
        critic = count_parameters(build_critic(settings, own.images(0), 0))
        assert step["all_reduce_bytes"] == 4 * (settings.own.critic_steps * critic + generator), objective
        assert step["all_gather_bytes"] == step["broadcast_bytes"] == 0


def test_every_call_is_counted_by_its_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for kind in ("all_reduce", "all_gather", "broadcast"):
        monkeypatch.setattr(torch.distributed, kind, lambda *arguments, kind=kind, **more: calls.append(kind))
    original, traffic = torch.distributed.all_reduce, Traffic()
    with counted(traffic):
        torch.distributed.all_reduce(torch.zeros(3, dtype=torch.float64))
        torch.distributed.all_gather([torch.zeros(5)] * 2, torch.zeros(5))
        torch.distributed.broadcast(torch.zeros(2, dtype=torch.uint8), src=0)
    assert torch.distributed.all_reduce is original
    torch.distributed.all_reduce(torch.zeros(9))
    assert calls == ["all_reduce", "all_gather", "broadcast", "all_reduce"]
    assert traffic == Traffic(all_reduce_bytes=24, all_gather_bytes=20, broadcast_bytes=2, num_calls=3)


@pytest.mark.parametrize(("ranks", "sent"), [(1, 0.0), (2, 24 + 20), (4, 1.5 * 24 + 3 * 20)])
def test_a_ring_sends_nearly_twice_what_is_reduced(ranks: int, sent: float) -> None:
    assert Traffic(24, 20).ring_bytes(ranks) == sent


def test_processes_that_fail_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degas_lab.speed.communication.sys.executable", "false")
    with pytest.raises(RuntimeError, match="have failed"):
        communication(SMALL)


def test_a_line_for_each_step() -> None:
    step = vars(Traffic(2_000_000, 500_000, 0, 3))
    lines = rows({"num_ranks": 2, "search_step": step, "training_step": {"mmd": step}})
    assert [line.split("  ")[0] for line in lines] == ["search step", "training step, mmd"]
    assert lines[0].endswith("in   3 calls; each of 2 processes sends 2.500 MB")
