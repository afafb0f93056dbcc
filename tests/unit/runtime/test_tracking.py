"""What a stage logs reaches the tracker, and TensorBoard reads back what was written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from degas.errors import UserError
from degas.runtime import tracking
from degas.runtime.run_folder import StageFolder
from degas.runtime.tracking import TensorBoardTracker, distributions_of, make_tracker, numbers_of

needs_tensorboard = pytest.mark.skipif(
    tracking.importlib.util.find_spec("tensorboard") is None, reason="the extra `tensorboard` is not installed"
)


class Recorder:
    """Another tracker: remembers every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.calls.append(("scalars", step, dict(values)))

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        self.calls.append(("image", step, name, pixels.shape, pixels.dtype))

    def histograms(self, step: int, values: Mapping[str, Sequence[float]]) -> None:
        self.calls.append(("histograms", step, dict(values)))

    def close(self) -> None:
        self.calls.append(("close",))


def stage(path: Path, resume: bool = False) -> StageFolder:
    return StageFolder(path, settings={}, resume=resume, kind="search")


def log_everything(folder: StageFolder, steps: range) -> None:
    for step in steps:
        folder.log_metrics(step, loss=1.0 / step, epoch=1, note="words", nothing=None, flag=True)
        folder.log_timing(step, seconds=0.5, rate=float("nan"))
        folder.append("alpha.jsonl", {"step": step, "epoch": 1, "U0->N1": {"skip": 0.25, "conv_1x1": -0.5 * step}})
    picture = folder.path / "grid.png"
    Image.fromarray(np.full((4, 6), 200, np.uint8)).save(picture)
    folder.track_picture(steps[-1], "samples", picture)


def test_a_tracker_of_ones_own_sees_every_log(tmp_path: Path) -> None:
    recorder = Recorder()
    with stage(tmp_path / "search") as folder:
        folder.tracker = make_tracker(recorder, folder.path)
        log_everything(folder, range(1, 2))
    assert recorder.calls == [
        ("scalars", 1, {"loss": 1.0}),
        ("scalars", 1, {"timing/seconds": 0.5}),
        ("histograms", 1, {"alpha/U0->N1": [0.25, -0.5]}),
        ("image", 1, "samples", (4, 6, 3), np.dtype("uint8")),
        ("close",),
    ]


def test_a_process_that_does_not_write_tracks_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    recorder = Recorder()
    with stage(tmp_path / "search") as folder:
        folder.tracker = recorder
        log_everything(folder, range(1, 2))
    assert recorder.calls == [("close",)]


def test_the_logs_are_the_same_with_a_tracker(tmp_path: Path) -> None:
    for name, tracker in (("with", Recorder()), ("without", None)):
        with stage(tmp_path / name) as folder:
            folder.tracker = tracker
            log_everything(folder, range(1, 4))
    for log in ("metrics.jsonl", "timing.jsonl", "alpha.jsonl"):
        assert (tmp_path / "with" / log).read_bytes() == (tmp_path / "without" / log).read_bytes()


@needs_tensorboard
def test_tensorboard_reads_back_what_was_written(tmp_path: Path) -> None:
    with stage(tmp_path / "search") as folder:
        folder.tracker = make_tracker("tensorboard", folder.path)
        log_everything(folder, range(1, 4))
    events = read_events(tmp_path / "search" / "tensorboard")
    assert set(events.Tags()["scalars"]) == {"loss", "timing/seconds"}
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (step, pytest.approx(1 / step)) for step in (1, 2, 3)
    ]
    image = events.Images("samples")[0]
    assert (image.step, image.width, image.height) == (3, 6, 4)
    histogram = events.Histograms("alpha/U0->N1")[-1]
    assert histogram.step == 3
    value = histogram.histogram_value
    assert (value.min, value.max, value.num, value.sum) == (-1.5, 0.25, 2, -1.25)


@needs_tensorboard
def test_a_resumed_run_draws_one_line(tmp_path: Path) -> None:
    """Killed at step 5 with a checkpoint of step 2: what was written of steps 3 to 5 is forgotten."""
    for steps, value in ((range(1, 6), 1.0), (range(3, 7), 2.0)):
        tracker = TensorBoardTracker(tmp_path)
        for step in steps:
            tracker.scalars(step, {"loss": value})
        tracker.close()
    found = [(event.step, event.value) for event in read_events(tmp_path).Scalars("loss")]
    assert found == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0), (6, 2.0)]


def read_events(path: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "histograms": 0, "images": 0})
    return events.Reload()


def test_nothing_is_written_where_nothing_was_logged(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: object())
    tracker = TensorBoardTracker(tmp_path / "tensorboard")
    tracker.close()
    assert not (tmp_path / "tensorboard").exists()


def test_a_missing_extra_and_an_unknown_name(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[tensorboard\]'"):
        make_tracker("tensorboard", tmp_path)
    assert make_tracker("none", tmp_path) is None
    with pytest.raises(UserError, match="did you mean 'tensorboard'"):
        make_tracker("tensorbord", tmp_path)


def test_what_counts_as_a_curve_and_as_a_distribution() -> None:
    record = {"step": 3, "epoch": 1, "loss": 2, "ok": False, "text": "a", "edge": {"a": 1.0, "b": 2}, "empty": {}}
    assert numbers_of(record) == {"loss": 2.0}
    assert distributions_of(record) == {"edge": [1.0, 2.0]}


def test_the_import_brings_no_torch() -> None:
    import subprocess

    code = "import sys, degas.runtime.tracking; print({'torch', 'numpy', 'tensorboard'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
