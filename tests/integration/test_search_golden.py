"""The loss curve of 20 search steps, and α after them, against a stored one: no intended numeric change, same numbers.

After an intended one, write it anew with `DEGAS_WRITE_GOLDEN=1` and say why in the changelog.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from degas.data.image_set import ImageSet
from degas.nas.state import Search
from degas.runtime.arithmetic import exact_float32
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings

GOLDEN = Path(__file__).parents[1] / "golden"


def gradients_of_light(num_images: int, size: int) -> np.ndarray:
    """Images in closed form, so that no library's random numbers play a part: (N, 3, size, size) uint8."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    angles = np.arange(num_images) * 2.399963  # the golden angle
    waves = [127.5 + 127.5 * np.cos(3 * (np.cos(a) * x + np.sin(a) * y) + np.arange(3)[:, None, None]) for a in angles]
    return np.stack(waves).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("device", "graphs"),
    [("cpu", False), *(pytest.param("cuda", graphs, marks=pytest.mark.gpu) for graphs in (False, True))],
)
@pytest.mark.parametrize(("schedule", "name"), [("alternate", "search.json"), ("joint", "search-joint.json")])
def test_twenty_steps_give_the_stored_losses_and_alpha(schedule: Any, name: str, device: str, graphs: bool) -> None:
    """The CPU's numbers, on a CUDA device too: draws are made on the CPU, convolutions of whole float32 here."""
    images = ImageSet(gradients_of_light(32, 16), None, (), "golden", "0")
    sizes = {"width": 8, "noise_size": 16, "num_epochs": 5, "batch_images": 8}
    settings = SearchSettings(**sizes, schedule=schedule, cuda_graphs=graphs)
    search = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(device=device))
    with exact_float32():
        terms = [search.step(step) for step in range(20)]
    found: dict[str, Any] = {
        "loss": [float(term["l2"] + term["lap1"]) for term in terms],
        "alpha_loss": [float(term["alpha_loss"]) for term in terms if "alpha_loss" in term],
        "alpha": search.supernet.alpha_by_name(),
    }
    if os.environ.get("DEGAS_WRITE_GOLDEN") and device == "cpu":
        (GOLDEN / name).write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads((GOLDEN / name).read_text())
    assert len(found["alpha_loss"]) == (20 if schedule == "alternate" else 0)
    for key in ("loss", "alpha_loss"):  # other CPUs sum in another order; errors grow along the way
        assert found[key] == pytest.approx(golden[key], rel=2e-3), key
    assert found["loss"][:2] == pytest.approx(golden["loss"][:2], rel=1e-4)
    assert found["alpha"].keys() == golden["alpha"].keys()
    ours, theirs = ([v for edge in a.values() for v in edge.values()] for a in (found["alpha"], golden["alpha"]))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
