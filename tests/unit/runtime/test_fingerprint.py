"""The digest of weights: by value and name."""

from __future__ import annotations

import torch

from degas.runtime.fingerprint import fingerprint_of


def test_fingerprint_sees_values_and_names() -> None:
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert fingerprint_of(first) != fingerprint_of(second)
    second.load_state_dict(first.state_dict())
    assert fingerprint_of(first) == fingerprint_of(second)
    assert fingerprint_of(torch.nn.Sequential(first)) != fingerprint_of(first)
