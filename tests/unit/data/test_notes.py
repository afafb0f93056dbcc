from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from degas.cli import main as cli
from degas.data import sources
from degas.data.notes import Note, counted, tell
from degas.data.origin import Origin, Records
from degas.errors import Notice
from degas.settings.sections import DataSettings


def test_a_note_is_a_line_and_survives_json() -> None:
    note = counted("left_out", [f"{k}.heic" for k in range(25)], "file is left out", "files are left out")[0]
    assert str(note) == "25 files are left out: 0.heic, 1.heic, 2.heic, …"
    assert (note.count, len(note.examples)) == (25, 20)
    assert Note.from_facts(note.facts()) == note
    assert str(counted("left_out", ["a.heic"], "file is left out", "files are")[0]) == "1 file is left out: a.heic"
    assert counted("left_out", [], "file", "files") == ()
    assert str(Note("assumed", "a centre crop of 108 pixels")) == "a centre crop of 108 pixels"


def test_one_process_of_several_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell("x", [Note("assumed", "something")])


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source with a note of its names and one of its reading, in place of what `find_origin` would make of it."""
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    records = Records(
        4, lambda rows: ((f"{i}", pictures[i]) for i in rows), notes=(Note("read", "told by reading", 2, ("x", "y")),)
    )
    origin = Origin("kind", lambda: records, list, str, notes=lambda: (Note("named", "told by names"),))
    monkeypatch.setattr(sources, "find_origin", lambda *given: origin)
    monkeypatch.setattr("degas.data.inspect.find_origin", lambda *given: origin)
    return tmp_path


def test_notes_are_told_and_kept_with_the_images_also_when_they_come_from_the_cache(noted: Path) -> None:
    settings = DataSettings(image_size=8, cache=noted / "cache")
    for _ in range(2):
        with pytest.warns(Notice) as said:
            images = sources.load_images("mine", settings)
        assert [str(each.message) for each in said] == ["mine: told by names", "mine: told by reading: x, y"]
        assert [note.kind for note in images.notes] == ["named", "read"]


def test_data_info_and_every_command_show_them(noted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "info", "mine", "--data.image-size", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "note      told by names" in lines
    assert "note      told by reading: x, y" in lines
    cli.main(["features", "train", "--data", "mine", "--out", str(noted / "out"), "--data.cache", str(noted / "cache")])
    assert "degas: note: mine: told by reading: x, y" in capsys.readouterr().err.splitlines()
