"""Replayed steps, recorded as a CUDA graph records: by `recorder.ListRecorder`, for there is no GPU here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from recorder import ListRecorder
from torch import Tensor

from degas.errors import UserError
from degas.runtime.replay import WARM_UP_CALLS, Inputs, Replayed, Tensors, check_graphs

CPU = torch.device("cpu")
NUM_CALLS = WARM_UP_CALLS + 4


def descend(weight: Tensor, optimizer: torch.optim.Optimizer) -> Callable[[Inputs], Tensors]:
    """One step of an optimiser on noisy products, at the rate that is given."""

    def step(inputs: Inputs) -> Tensors:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = inputs["rate"]
        x = inputs["x"]
        assert isinstance(x, Tensor)
        loss = (x @ weight + 0.1 * torch.rand(len(x), 1)).square().mean()
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach()}

    return step


def run(replay: bool) -> tuple[list[Tensor], Tensor, int]:
    torch.manual_seed(0)
    weight = torch.randn(3, 1, requires_grad=True)
    step = descend(weight, torch.optim.Adam([weight], fused=True, capturable=True))
    recorder = ListRecorder()
    replayed = Replayed(step, CPU, recorder)
    losses = []
    for k in range(NUM_CALLS):
        x, rate = torch.randn(5, 3), 0.1 / (k + 1)
        torch.manual_seed(100 + k)
        found = replayed({"x": x, "rate": rate}) if replay else step({"x": x, "rate": torch.tensor(rate)})
        losses.append(found["loss"])
    return losses, weight.detach(), recorder.num_recorded


def test_a_replay_computes_what_the_step_computes() -> None:
    """New inputs, new rates and new random numbers included, bit for bit; and it records once."""
    (losses, weight, recorded), (plain_losses, plain_weight, _) = run(True), run(False)
    assert recorded == 1
    assert torch.equal(torch.stack(losses), torch.stack(plain_losses))  # each loss kept, not that of the last call
    assert len(set(torch.stack(losses).tolist())) == NUM_CALLS
    assert torch.equal(weight, plain_weight)


def test_a_number_of_the_hosts_own_stays_that_of_the_recording() -> None:
    counts = iter(range(100))
    stuck = Replayed(lambda inputs: {"y": inputs["x"] * next(counts)}, CPU, ListRecorder())  # type: ignore[operator, dict-item]
    found = [float(stuck({"x": torch.ones(())})["y"]) for _ in range(NUM_CALLS)]
    assert found == [0.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    "read",
    [lambda x: torch.full((), x.sum().item()), lambda x: x[x > 0].sum(), lambda x: x.masked_select(x > 0).sum()],
)
def test_a_value_read_out_is_an_error(read: Callable[[Tensor], Tensor]) -> None:
    reads = Replayed(lambda inputs: {"y": read(inputs["x"])}, CPU, ListRecorder())  # type: ignore[arg-type]
    for _ in range(WARM_UP_CALLS):
        reads({"x": torch.ones(3)})
    with pytest.raises(RuntimeError, match="reads a tensor"):
        reads({"x": torch.ones(3)})


def test_what_a_caller_gives_stays_the_callers() -> None:
    step = Replayed(lambda inputs: {"y": inputs["x"] + 1.0}, CPU, ListRecorder())  # type: ignore[operator, dict-item]
    given = [torch.full((2,), float(k)) for k in range(NUM_CALLS)]
    for x in given:
        step({"x": x})
    assert [x.tolist() for x in given] == [[float(k)] * 2 for k in range(NUM_CALLS)]


@pytest.mark.parametrize(
    "other",
    [
        {"x": torch.ones(4), "n": None, "rate": 0.1},
        {"x": torch.ones(1), "n": None, "rate": 0.1},
        {"x": torch.ones(3, dtype=torch.float64), "n": None, "rate": 0.1},
        {"x": None, "n": None, "rate": 0.1},
        {"x": torch.ones(3), "n": torch.ones(3), "rate": 0.1},
        {"x": torch.ones(3), "n": None},
    ],
)
def test_other_inputs_than_the_first_are_refused(other: Inputs) -> None:
    """A graph would go on with what it has, and copying would spread or round without a word."""
    step = Replayed(lambda inputs: {"y": inputs["x"] + 1.0}, CPU, ListRecorder())  # type: ignore[operator, dict-item]
    step({"x": torch.ones(3), "n": None, "rate": 0.1})
    step({"x": torch.ones(3), "n": None, "rate": 0.2})
    with pytest.raises(ValueError, match="a replayed step got"):
        step(other)


@pytest.mark.parametrize(
    ("device", "num_ranks", "line"),
    [
        ("cpu", 1, "--gan.cuda-graphs: CUDA graphs need a GPU; leave it out"),
        ("cuda", 2, "--gan.cuda-graphs: one process only, not 2; leave it out"),
    ],
)
def test_graphs_need_a_gpu_and_one_process(device: str, num_ranks: int, line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}$"):
        check_graphs("gan", torch.device(device), num_ranks)
    check_graphs("gan", torch.device("cuda"), 1)
