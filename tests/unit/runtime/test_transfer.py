"""Only what lies on the host is pinned, and an engine's device is named as its tensors name it."""

from __future__ import annotations

import pytest
import torch

from degas.runtime.distributed import _numbered
from degas.runtime.transfer import to_device

CUDA = torch.device("cuda")


class Sent:
    """A tensor's place and what is done to it."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.done: list[object] = []

    def pin_memory(self) -> Sent:
        assert self.device.type == "cpu"  # torch: only dense CPU tensors can be pinned
        self.done.append("pinned")
        return self

    def to(self, device: torch.device, non_blocking: bool) -> Sent:
        self.done.append((device, non_blocking))
        return self


@pytest.mark.parametrize(
    ("source", "target", "done"),
    [
        ("cpu", "cuda", ["pinned", (CUDA, True)]),
        ("cuda:0", "cuda", [(CUDA, True)]),  # as an engine of one process once named its device
        ("cpu", "cpu", [(torch.device("cpu"), True)]),
    ],
)
def test_what_is_pinned(source: str, target: str, done: list[object]) -> None:
    sent = Sent(source)
    to_device(sent, torch.device(target))  # type: ignore[arg-type]
    assert sent.done == done


def test_what_is_there_stays() -> None:
    tensor = torch.ones(3)
    assert to_device(tensor, torch.device("cpu")) is tensor


def test_a_gpu_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert _numbered(CUDA) == torch.device("cuda", 0) != CUDA
    for name in ("cuda:1", "cpu", "meta"):
        assert _numbered(torch.device(name)) == torch.device(name)
