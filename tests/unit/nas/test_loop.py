"""The loop of a search: when it saves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from degas.nas import loop
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.runtime.save_clock import SaveClock
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]
SECONDS_A_STEP = 25.0


@pytest.mark.parametrize(
    ("checkpoint_steps", "wanted"), [(0, [3, 6, 8]), (4, [3, 4, 7, 8]), (1, [1, 2, 3, 4, 5, 6, 7, 8])]
)
def test_a_search_saves_once_a_minute_besides_every_so_many_steps(
    checkpoint_steps: int,
    wanted: list[int],
    tmp_path: Path,
    make_images: Make,
    make_settings: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step takes 25 seconds: a minute has gone by after the third one, and is counted from each save."""
    seconds, saved = [0.0], []
    step = Search.step

    def slow_step(search: Search, number: int) -> Any:
        seconds[0] += SECONDS_A_STEP
        return step(search, number)

    monkeypatch.setattr(Search, "step", slow_step)
    monkeypatch.setattr(loop, "SaveClock", lambda steps: SaveClock(steps, lambda: seconds[0]))
    monkeypatch.setattr(StageFolder, "save", lambda folder, number, state: saved.append(number))
    settings = make_settings(num_epochs=4, checkpoint_steps=checkpoint_steps)
    with StageFolder(tmp_path, settings={}, resume=False, kind="search") as folder:
        engine = Engine(device="cpu")
        run_search(make_images(16), settings, SpaceSettings(), seed=0, folder=folder, engine=engine, progress=False)
    assert saved == wanted
