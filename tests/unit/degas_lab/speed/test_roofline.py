from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from degas_lab.speed.roofline import Convolution, Product, Rates, Record, roofline_ms

CPU = torch.device("cpu")


def recorded(call: object) -> dict[object, int]:
    with Record() as record:
        call()  # type: ignore[operator]
    found: Counter[object] = Counter()
    for (shape, passes, _), count in record.operations.items():
        if shape:
            found[shape, passes] += count
    return found


def test_a_convolution_counts_its_multiply_adds_by_hand() -> None:
    # 2 images, 3 → 5 channels, 3×3 taps on 8×8 pixels, two FLOP a multiply-add
    assert Convolution(False, (2, 3, 8, 8), (5, 3, 3, 3), 1, 1, 1, 1).flop == 2 * 2 * 3 * 5 * 9 * 64
    # every input pixel of a transposed one meets all taps
    assert Convolution(True, (2, 3, 4, 4), (3, 5, 6, 6), 2, 2, 1, 1).flop == 2 * 2 * 3 * 5 * 36 * 16
    # stride 2 halves each side; a depthwise one has one input channel a kernel
    assert Convolution(False, (1, 4, 8, 8), (4, 1, 3, 3), 2, 1, 1, 4).flop == 2 * 4 * 9 * 16
    assert Product((7, 2, 3), (7, 3, 5)).flop == 2 * 7 * 2 * 3 * 5


def test_record_sees_forward_and_both_backward_passes() -> None:
    x, weight = torch.randn(1, 2, 4, 4, requires_grad=True), torch.randn(2, 2, 3, 3, requires_grad=True)
    shape = Convolution(False, (1, 2, 4, 4), (2, 2, 3, 3), 1, 1, 1, 1)
    assert recorded(lambda: F.conv2d(x, weight, padding=1).sum().backward()) == {(shape, 1): 1, (shape, 2): 1}
    weight.requires_grad_(False)
    assert recorded(lambda: F.conv2d(x, weight, padding=1).sum().backward()) == {(shape, 1): 2}


def test_record_and_rates_go_by_the_precision() -> None:
    half = Convolution(False, (1, 2, 4, 4), (2, 2, 3, 3), 1, 1, 1, 1, torch.bfloat16)
    x, weight = torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3)

    def call() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            F.conv2d(x, weight, padding=1)

    assert recorded(call) == {(half, 1): 1}
    made: list[torch.dtype] = []
    rates = Rates(CPU)
    rates._seconds = lambda call: made.append(call().dtype) or 1.0  # type: ignore[method-assign]
    rates.flop_per_second(half)
    rates.flop_per_second(Product((2, 3), (3, 4), torch.bfloat16))
    assert made == [torch.bfloat16] * 2


def test_views_move_no_bytes_and_copies_do() -> None:
    x = torch.zeros(1000)
    with Record() as record:
        x.view(10, 100).transpose(0, 1)
        x + 1
    assert sorted(num_bytes for _, _, num_bytes in record.operations) == [0, 8000]


def test_roofline_is_the_larger_of_arithmetic_and_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rates, "flop_per_second", lambda self, shape: 1e6)
    monkeypatch.setattr(Rates, "bytes_per_second", lambda self, size: 1e9)
    a = torch.zeros(10, 20)
    assert roofline_ms(lambda: a @ a.T, Rates(CPU)) == pytest.approx(2 * 10 * 10 * 20 / 1e6 * 1e3)
    large = torch.zeros(1_000_000)
    assert roofline_ms(lambda: large + 1, Rates(CPU)) == pytest.approx(8e6 / 1e9 * 1e3)


def test_measured_rates_are_positive_and_depthwise_takes_the_dense_rate() -> None:
    rates = Rates(CPU)
    depthwise = Convolution(False, (1, 4, 8, 8), (4, 1, 5, 5), 1, 2, 1, 4)
    assert rates.flop_per_second(depthwise) > 0
    assert list(rates.known) == [Convolution(False, (1, 4, 8, 8), (4, 4, 3, 3), 1, 1, 1, 1)]
    assert rates.bytes_per_second(5000) > 0
    assert 8192 in rates.known
