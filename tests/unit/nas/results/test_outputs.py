from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from degas.data.pixels import to_uint8
from degas.nas.decide.rule import make_rule
from degas.nas.glo.glo import Glo
from degas.nas.glo.pictures import save_reconstructions, save_samples
from degas.nas.results.outputs import standing
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.graph import SearchSpace
from degas.space.pruning import prune, prune_darts, random_alpha

Make = Callable[..., Any]


@pytest.fixture
def search(make_images: Make, make_settings: Make) -> Search:
    made = Search(make_images(20), make_settings(), SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    made.step(0)
    glo_of(made).recalibrate()
    return made


def glo_of(search: Search) -> Glo:
    assert isinstance(search.signal, Glo)
    return search.signal


def tile(path: Path, row: int, column: int, size: int = 8) -> np.ndarray:
    """A tile of a grid, back at its own size: (C, H, W)."""
    picture = np.asarray(Image.open(path))
    scale, gap = -(-48 // size), 2
    top, left = (gap + k * (size * scale + gap) for k in (row, column))
    return picture[top : top + size * scale : scale, left : left + size * scale : scale].transpose(2, 0, 1)


def test_reconstructions_stand_under_their_originals(search: Search, tmp_path: Path) -> None:
    save_reconstructions(search.signal, tmp_path / "r.png")
    index = [3, 17]  # one in the first pair of rows, one in the second, which is not full
    search.supernet.eval()
    with torch.no_grad():
        fakes = to_uint8(search.supernet(glo_of(search).table.rows)).numpy()
    for image in index:
        row, column = 2 * (image // 16), image % 16
        np.testing.assert_array_equal(tile(tmp_path / "r.png", row, column), search.images.images[image])
        np.testing.assert_array_equal(tile(tmp_path / "r.png", row + 1, column), fakes[image])
    assert (tile(tmp_path / "r.png", 3, 10) == 255).all()


def test_samples_depend_on_seed_and_latents_and_leave_training_mode(search: Search, tmp_path: Path) -> None:
    rows = glo_of(search).table.rows
    save_samples(search.signal, rows, tmp_path / "a.png", 8)
    save_samples(search.signal, rows, tmp_path / "b.png", 8)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    search.signal.seed = 1
    save_samples(search.signal, rows, tmp_path / "c.png", 8)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    assert search.supernet.training


def test_settings_choose_the_rule(make_settings: Make) -> None:
    space = SearchSpace(1)  # two edges into U1: DARTS keeps both, so nothing is ever cut off
    for seed in range(10):
        alpha = random_alpha(space, seed)
        rules = {name: make_rule(make_settings(prune=name), space) for name in ("paper", "darts", "perturbation")}
        assert rules["paper"].keep(alpha) == prune(alpha, space)
        assert rules["darts"].keep(alpha) == prune_darts(alpha, space).edges
        ignored = make_rule(make_settings(zero_rule="ignored", compare="centred"), space)
        assert ignored.keep(alpha) == prune(alpha, space, zero_rule="ignored", compare="centred")
        assert rules["perturbation"].keep(alpha) == prune(alpha, space, compare="above_zero")
        assert rules["perturbation"].report(alpha)["compare"] == "above_zero"
        report = ignored.report(alpha)
        assert (report["rule"], report["compare"], report["zero_rule"]) == ("paper", "centred", "ignored")


def test_what_would_be_kept_now_stands_in_one_line() -> None:
    space = SearchSpace(1)
    alpha = {
        "U0->N1": dict.fromkeys(space.normal_operations, 0.0) | {"skip": 1.0},
        "N1->U1": dict.fromkeys(space.up_operations, 0.0) | {"deconv_4x4": 0.5},
        "U0->U1": {**dict.fromkeys(space.up_operations, 0.0), "zero": 0.0, "deconv_6x6": 1.0},
    }
    assert standing(alpha, space, SearchSettings()) == "N1 skip · U1 deconv_4x4 + deconv_6x6(U0)"
