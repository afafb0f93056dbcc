"""`degas experiment fewer-candidates`."""

from __future__ import annotations

from typing import ClassVar

from degas.settings.base import Positive, Settings, setting

__all__ = ["Options", "main"]


class Options(Settings):
    """Time a search step over smaller sets of candidates: how much would dropping weak operations save?

    Interleaved medians of processor time, C = 32, batch 64, 32 px, images of noise; start it with OMP_NUM_THREADS=1.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment fewer-candidates",
        "degas experiment fewer-candidates --rounds 15",
    )
    rounds: Positive = setting(7, "interleaved rounds")


def main(options: Options) -> None:
    from degas_lab.speed.fewer_candidates import time_spaces

    times = time_spaces(options.rounds)
    for name, milliseconds in times.items():
        print(f"{name:<30}{milliseconds:6.0f} ms   {milliseconds / times['all']:.2f}")
