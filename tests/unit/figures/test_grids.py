from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from degas.figures.grids import compose_grid, save_grid, save_png


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_stands_in_its_place(tmp_path: Path, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, channels, 4, 4), dtype=np.uint8)
    save_grid(images, tmp_path / "grid.png", columns=3, scale=2)
    grid = np.asarray(Image.open(tmp_path / "grid.png")).reshape(2 * 10 + 2, 3 * 10 + 2, channels)
    for k in range(5):
        top, left = 2 + k // 3 * 10, 2 + k % 3 * 10
        tile = grid[top : top + 8 : 2, left : left + 8 : 2].transpose(2, 0, 1)
        assert np.array_equal(tile, images[k])
        assert np.array_equal(grid[top + 1 : top + 8 : 2, left + 1 : left + 8 : 2].transpose(2, 0, 1), images[k])
    assert (grid[12:, 22:] == 255).all()  # the empty sixth place


def test_small_tiles_are_enlarged_and_large_ones_left() -> None:
    assert compose_grid(np.zeros((1, 1, 16, 16), np.uint8)).shape == (48 + 4, 48 + 4, 1)
    assert compose_grid(np.zeros((4, 3, 64, 64), np.uint8)).shape == (2 * 66 + 2, 2 * 66 + 2, 3)


def test_tensors_are_taken_and_folders_made(tmp_path: Path) -> None:
    save_grid(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), tmp_path / "new" / "folder" / "grid.png")
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["grid.png"]


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 1, 4, 4)), np.zeros((1, 2, 4, 4), np.uint8), np.zeros((0, 1, 4, 4), np.uint8)]
)
def test_anything_else_is_refused(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(TypeError, match="uint8 images"):
        save_grid(bad, tmp_path / "grid.png")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".a.png.part").write_bytes(b"half a picture")
    save_png(np.zeros((2, 2, 1), np.uint8), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
