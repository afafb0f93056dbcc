"""A small interface for trackers, which draw a run's curves while it runs, and its TensorBoard implementation.

Trackers add to `metrics.jsonl` and never replace it: nothing in this package reads their files. Another tracker is a
class with these four methods, passed to `degas.search(…, tracker=…)`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from degas.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    from torch.utils.tensorboard import SummaryWriter

TRACKERS = ("none", "tensorboard")


class Tracker(Protocol):
    """Receives what a stage logs. `step` is the number of finished steps; names may hold `/` to group them."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Finite numbers by name."""

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """One picture, uint8 (H, W) or (H, W, 3)."""

    def histograms(self, step: int, values: Mapping[str, Sequence[float]]) -> None:
        """Finite numbers whose distribution matters, such as the α of an edge, by name."""

    def close(self) -> None:
        """The stage is over; write what is still buffered."""


class TensorBoardTracker:
    """Writes event files into `path` for `tensorboard --logdir RUN`.

    The first call opens the file, and tells TensorBoard to drop what an earlier process wrote from that step on: a
    resumed run draws one line.
    """

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError(
                "--tracker tensorboard needs tensorboard; in degas' folder: pip install -e '.[tensorboard]'"
            )
        self.path = path
        self._writer: SummaryWriter | None = None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        writer = self._open(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        layout = "HW" if pixels.ndim == 2 else "HWC"
        self._open(step).add_image(name, pixels, step, dataformats=layout)

    def histograms(self, step: int, values: Mapping[str, Sequence[float]]) -> None:
        import numpy as np

        writer = self._open(step)
        for name, numbers in values.items():
            writer.add_histogram(name, np.asarray(numbers, dtype=np.float64), step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, step: int) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.path), purge_step=step)
        return self._writer


def make_tracker(tracker: str | Tracker, folder: Path) -> Tracker | None:
    """The tracker with this name for the stage in `folder`, None for `none`; an object is returned unchanged."""
    if not isinstance(tracker, str):
        return tracker
    if tracker not in TRACKERS:
        raise UserError(f"--tracker: unknown tracker {tracker!r}{nearest(tracker, TRACKERS)}")
    return TensorBoardTracker(folder / "tensorboard") if tracker == "tensorboard" else None


def numbers_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The values of a log's record that form curves: numbers, but neither flags nor the step."""
    return {
        name: float(value)
        for name, value in record.items()
        if name not in ("step", "epoch") and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def distributions_of(record: Mapping[str, Any]) -> dict[str, list[float]]:
    """The values of a log's record that form distributions: objects of numbers, such as the α of an edge."""
    found = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and (numbers := numbers_of(value)):
            found[name] = list(numbers.values())
    return found
