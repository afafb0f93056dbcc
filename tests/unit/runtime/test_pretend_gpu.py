"""The pretended GPU notices what it is there to notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pretend_gpu import META, Waits
from torch import Tensor

from degas.runtime.transfer import to_device

HERE, THERE = torch.ones(3), torch.ones(3, device=META)

WAITS: dict[str, Callable[[], object]] = {
    "copy": lambda: HERE.to(META),
    "copy of a number": lambda: torch.tensor(2.0).to(META),
    "fill": lambda: torch.empty_like(THERE).copy_(HERE),
    "rows chosen by a host's index": lambda: THERE[torch.tensor([0, 2])],
}
REFUSED: dict[str, Callable[[], object]] = {
    "sum of two devices": lambda: THERE + HERE,
    "read": lambda: THERE.sum().item(),
    "list": lambda: THERE.tolist(),
    "branch": lambda: bool(THERE.sum() > 0),
    "nonzero": lambda: THERE.nonzero(),
    "mask": lambda: THERE[THERE > 0],
}
FREE: dict[str, Callable[[], object]] = {
    "queued copy": lambda: to_device(HERE, META),
    "a number of the host's": lambda: 0.5 * THERE + torch.tensor(2.0),
    "rows chosen by its own index": lambda: THERE[torch.zeros(2, dtype=torch.int64, device=META)],
    "its own": lambda: torch.where(THERE > 0, THERE, 0.0).sum(),
    "the host's own": lambda: HERE.to(torch.float64).sum().item(),
}


@pytest.mark.parametrize("call", WAITS.values(), ids=list(WAITS))
def test_waiting_is_noticed(call: Callable[[], object]) -> None:
    with Waits() as waits:
        call()
    assert waits.found


@pytest.mark.parametrize("call", REFUSED.values(), ids=list(REFUSED))
def test_reading_and_mixing_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        call()


@pytest.mark.parametrize("call", FREE.values(), ids=list(FREE))
def test_what_does_not_wait_is_let_be(call: Callable[[], Tensor]) -> None:
    with Waits() as waits:
        call()
    assert waits.found == []
