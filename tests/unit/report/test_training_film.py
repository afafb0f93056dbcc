from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import fake_run
from PIL import Image

from degas.errors import UserError
from degas.figures.film import CAPTION_PIXELS, MAX_BYTES
from degas.report import training_film
from degas.report.collect import sample_grids
from degas.report.training_film import film_frames, film_of, write_film


def test_the_film_has_a_frame_a_grid_and_lies_where_the_report_finds_it(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    assert list(sample_grids(run)) == list(range(250, 1501, 250))
    path = write_film(run)
    assert path == run / "film.webp"
    with Image.open(path) as film:
        assert film.n_frames == 6
        assert film.size == (256, 256 + CAPTION_PIXELS)
    assert path.stat().st_size <= MAX_BYTES
    assert write_film(run, tmp_path / "new" / "other.gif").read_bytes()[:3] == b"GIF"


def test_damaged_grids_and_those_of_another_size_are_left_out(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    samples = run / "train" / "samples"
    (samples / "step-000250.png").write_bytes(b"half")
    Image.new("L", (10, 10)).save(samples / "step-000500.png")
    (samples / "notes.png").write_bytes(b"")
    assert len(film_frames(run)) == 4


def test_too_few_grids_and_other_endings_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", train=False)
    with pytest.raises(UserError, match=r"holds fewer than two sample grids; train with --gan\.sample-steps"):
        write_film(run)
    with pytest.raises(UserError, match=r"a film ends in \.webp or \.gif"):
        write_film(fake_run(tmp_path / "two"), tmp_path / "film.png")
    assert film_of(run) is None
    assert not list(tmp_path.rglob("film*"))


def test_without_webp_it_is_a_gif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_film.features, "check", lambda name: False)
    assert write_film(fake_run(tmp_path / "run")).name == "film.gif"


def test_a_film_that_cannot_be_written_is_the_users_matter(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_film(run, tmp_path / "file" / "film.gif")
