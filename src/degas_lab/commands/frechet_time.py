"""`degas experiment frechet-time`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from degas.settings.base import Positive, Settings, setting

__all__ = ["Options", "main"]


class Options(Settings):
    """Time the Fréchet distance of given statistics: ours, torchmetrics' eigenvalues, scipy's matrix root.

    Needs scipy and torchmetrics (the extra `dev`). Interleaved medians, with the value of each.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment frechet-time --features 512",
        "degas experiment frechet-time --rounds 5 --out times.json",
    )
    features: Positive = setting(2048, "size of the covariances")
    rounds: Positive = setting(3, "interleaved rounds")
    out: Path | None = setting(None, "write the numbers to this JSON file (default: none)")


def main(options: Options) -> None:
    import json

    from degas.runtime.json_files import write_json
    from degas_lab.speed.frechet_time import time_frechet

    result = time_frechet(options.features, options.rounds)
    print(json.dumps(result, indent=2))
    if options.out:
        write_json(options.out, result)
