"""The engine on one process: no launcher, nothing changed but device and memory layout."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from degas.errors import UserError
from degas.runtime import distributed
from degas.runtime.distributed import VOTING_STEPS, Engine
from degas.runtime.environment import LAUNCHER
from degas.runtime.interrupts import Terminated


@pytest.fixture
def engine() -> Engine:
    return Engine(device="cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 1))


def test_one_process_is_rank_0_of_1(engine: Engine) -> None:
    assert (engine.rank, engine.num_ranks, engine.is_main, engine.device.type) == (0, 1, True, "cpu")


def test_no_launcher_no_variables_no_group() -> None:
    code = (
        "import torch; from degas.runtime.distributed import Engine; e = Engine(); e.wait(); e.close(); "
        "print(e.num_ranks, torch.distributed.is_initialized())"
    )
    keep = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=keep, check=True)
    assert result.stdout.split() == ["1", "False"]
    assert result.stderr == ""


def test_prepare_changes_the_layout_and_no_value(engine: Engine) -> None:
    module = network()
    before = copy.deepcopy(module.state_dict())
    prepared = engine.prepare(module)
    assert prepared is module
    assert engine.unwrap(prepared) is module
    weight = prepared.get_parameter("0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(value, before[name]) for name, value in prepared.state_dict().items())


def test_float32_is_left_alone(engine: Engine) -> None:
    module, images = engine.prepare(network()), torch.rand(2, 3, 8, 8)
    plain = module(images)
    with engine.autocast():
        assert not torch.is_autocast_enabled("cpu")
        assert torch.equal(module(images), plain)
    assert plain.dtype == torch.float32


def test_bfloat16_is_in_the_block_only_and_weights_stay_float32() -> None:
    engine = Engine("bfloat16", "cpu")
    module, images = engine.prepare(network()), torch.rand(2, 3, 8, 8)
    with engine.autocast():
        scores = module(images)
        loss = scores.float().mean()
    assert scores.dtype == torch.bfloat16
    assert module(images).dtype == torch.float32
    engine.backward(loss)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in module.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in module.parameters())


def test_backward_is_backward(engine: Engine) -> None:
    module, images = engine.prepare(network()), torch.rand(4, 3, 8, 8)
    twin = copy.deepcopy(module)
    engine.backward(module(images).mean())
    twin(images).mean().backward()
    for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad)


def test_two_engines_one_after_the_other_may_differ() -> None:
    first, second = Engine("bfloat16", "cpu"), Engine("float32", "auto")
    assert (first.precision, second.precision) == ("bfloat16", "float32")
    loss = torch.ones(1, requires_grad=True).sum()
    first.backward(loss)
    assert second.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert first.device.type == "cpu"


def test_on_one_process_the_rest_is_the_identity(engine: Engine) -> None:
    tensor = torch.rand(3, 2)
    before = tensor.clone()
    engine.all_reduce_mean([tensor])
    assert torch.equal(tensor, before)
    assert engine.gather(tensor) is tensor
    assert engine.any_rank(True)
    assert not engine.any_rank(False)


def test_a_mean_of_integers_is_refused(engine: Engine) -> None:
    with pytest.raises(TypeError, match="int64"):
        engine.all_reduce_mean([torch.tensor([1])])


def test_unknown_device_and_precision() -> None:
    with pytest.raises(UserError, match="device 'gpu': choose from auto, cpu, cuda"):
        Engine(device="gpu")
    with pytest.raises(ValueError, match="float16"):
        Engine("float16")  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_cuda_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="no CUDA device here; use 'cpu' or 'auto'"):
        Engine(device="cuda")


@pytest.mark.gpu
def test_cuda_is_taken_by_default_and_autocast_follows() -> None:
    engine = Engine("bfloat16")
    assert engine.device.type == "cuda"
    module = engine.prepare(network())
    with engine.autocast():
        assert module(torch.rand(2, 3, 8, 8, device=engine.device)).dtype == torch.bfloat16


def test_as_a_context_manager(engine: Engine) -> None:
    with engine:
        pass
    with pytest.raises(Terminated), engine:
        raise Terminated
    with pytest.raises(ZeroDivisionError), engine:
        raise ZeroDivisionError


def test_an_engine_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Engine(device="cpu").prepare(network())


def test_several_ranks_vote_on_a_stop_now_and_then(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.all_stop(True, 1)
    assert not engine.all_stop(False, VOTING_STEPS)
    monkeypatch.setattr(engine, "num_ranks", 2)
    monkeypatch.setattr(engine, "any_rank", lambda flag: True)  # the other one says yes
    assert [step for step in range(1, 20) if engine.all_stop(False, step)] == [8, 16]


@pytest.mark.parametrize(
    "variables",
    [
        {"LOCAL_RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "many"},
        {"PMI_SIZE": "2", "OMPI_COMM_WORLD_SIZE": "2"},
        {"ACCELERATE_TORCH_DEVICE": "meta"},
    ],
)
def test_one_process_is_not_disturbed_by_what_is_left_of_a_launcher(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    engine = Engine(device="cpu")
    assert (engine.num_ranks, engine.device.type, torch.distributed.is_initialized()) == (1, "cpu", False)
    assert dict(os.environ) == before


def test_processes_that_do_not_find_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would do the whole work, on one device, and config.json would tell of several."""
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(distributed, "_join_group", lambda backend: None)
    with pytest.raises(UserError, match=r"has 1 process\(es\), but the environment says 2; start with torchrun"):
        Engine(device="cpu")


def test_a_port_that_cannot_be_opened_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", port)):
            monkeypatch.setenv(name, value)
        with pytest.raises(UserError, match=f"127.0.0.1:{port}: cannot reach the other processes"):
            Engine(device="cpu")


SECOND_DERIVATIVE = """
import degas.runtime.distributed, torch
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.LeakyReLU(), torch.nn.Conv2d(6, 6, 3, 2))
found = []
for half in (True, False):
    network.zero_grad()
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        (slope,) = torch.autograd.grad(network(images).float().sum(), images, create_graph=True)
        (slope.flatten(1).norm(dim=1) - 1).square().mean().backward()
    found.append(network[0].weight.grad.clone())
print(float((found[0] - found[1]).norm() / found[1].norm()))
"""


def test_a_second_derivative_in_bfloat16_is_that_of_float32() -> None:
    """On processors with AMX it was wrong by 100 %. A process of its own, since oneDNN decides once."""
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    command = [sys.executable, "-W", "ignore", "-c", SECOND_DERIVATIVE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.05
