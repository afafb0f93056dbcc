"""Plain float32 whatever the caller has chosen, by the older switches or the newer, and the choice back afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from degas.runtime.arithmetic import exact_float32

backends = torch.backends
OPERATIONS = {
    "matmul": backends.cuda.matmul,
    "conv": backends.cudnn.conv,
    "rnn": backends.cudnn.rnn,
    "cpu matmul": backends.mkldnn.matmul,
    "cpu conv": backends.mkldnn.conv,
}


def precisions() -> dict[str, str]:
    found = {name: operation.fp32_precision for name, operation in OPERATIONS.items()}
    return {**found, "all": backends.fp32_precision}


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = precisions()
    yield
    for name, operation in OPERATIONS.items():
        operation.fp32_precision = before[name]
    backends.fp32_precision = before["all"]


def nothing() -> None: ...


def all_of_it() -> None:
    backends.fp32_precision = "ieee"


def convolutions_alone() -> None:
    backends.cudnn.conv.fp32_precision = "ieee"  # and not the recurrent ones: cudnn.flags raises


def matrix_products() -> None:
    backends.cuda.matmul.fp32_precision = "tf32"


def the_older_switches() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backends.cuda.matmul.allow_tf32 = True
        backends.cudnn.allow_tf32 = False


@pytest.mark.parametrize("choose", [nothing, all_of_it, convolutions_alone, matrix_products, the_older_switches])
def test_every_operation_is_exact_inside_and_as_before_outside(choose: Callable[[], Any]) -> None:
    choose()
    before = precisions()
    flags = backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic
    with exact_float32(one_algorithm=True):
        assert {precisions()[name] for name in OPERATIONS} == {"ieee"}
        assert (backends.cudnn.benchmark, backends.cudnn.deterministic) == (False, True)
    assert precisions() == before
    assert (backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic) == flags
    with pytest.raises(ZeroDivisionError), exact_float32():
        raise ZeroDivisionError
    assert precisions() == before


def test_an_operation_still_follows_a_later_choice_for_all() -> None:
    backends.fp32_precision = "ieee"
    with exact_float32():
        pass
    backends.fp32_precision = "tf32"
    assert backends.cuda.matmul.fp32_precision == backends.mkldnn.conv.fp32_precision == "tf32"
