"""Half a cosine, to the last bit as its users wrote it out themselves: finished runs resume to the same bits."""

from __future__ import annotations

import math

from degas.runtime.schedules import half_cosine


def test_it_falls_from_1_to_0() -> None:
    assert (half_cosine(0, 7), half_cosine(7, 7)) == (1.0, 0.0)
    falling = [half_cosine(step, 7) for step in range(8)]
    assert falling == sorted(falling, reverse=True)
    assert half_cosine(0.25) == half_cosine(1, 4)


def test_rates_have_the_bits_of_the_written_out_expressions() -> None:
    for total in (3, 500, 1789):
        for step in range(0, total, 7):
            share, last = half_cosine(step, total), 3e-4 / 3e-3
            search = last + 0.5 * (1.0 - last) * (1.0 + math.cos(math.pi * step / total))
            assert last + (1.0 - last) * share == search
            assert 0.05 * share == 0.05 * 0.5 * (1.0 + math.cos(math.pi * step / total))
            assert half_cosine(step / total) == 0.5 * (1.0 + math.cos(math.pi * (step / total)))
