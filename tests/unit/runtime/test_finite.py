"""The watch for numbers that are not finite."""

from __future__ import annotations

import pytest
import torch

from degas.runtime.finite import FiniteWatch, NonFiniteError


def watch(**options: bool) -> FiniteWatch:
    return FiniteWatch(lambda step, name, value: f"{name} is {value} at step {step}", **options)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_stops_at_once_naming_step_and_term(bad: float) -> None:
    with pytest.raises(NonFiniteError, match=r"penalty is .* at step 7"):
        watch(deferred=False).add(7, {"loss": torch.tensor(1.0), "penalty": torch.tensor(bad)})


def test_a_deferred_watch_waits_names_the_first_and_forgets() -> None:
    later = watch()
    later.add(3, {"loss": torch.tensor(1.0)})
    later.add(4, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(float("inf"))})
    later.add(5, {"loss": torch.tensor(float("nan"))})
    with pytest.raises(NonFiniteError, match="gradient_norm is inf at step 4"):
        later.check()
    later.check()


def test_finite_numbers_pass_however_large_for_their_type() -> None:
    watching = watch(deferred=False)
    watching.add(0, {"loss": torch.tensor(-3.0), "penalty": torch.tensor(1e30), "half": torch.tensor(6e4).half()})
    watching.add(1, {"double": torch.tensor(1e300, dtype=torch.float64)})
    watching.check()
