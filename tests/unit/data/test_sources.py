from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings


def test_importing_the_sources_imports_no_optional_library() -> None:
    code = (
        "import sys, degas.data.sources, degas.data.inspect, degas.data.loader\n"
        "print([m for m in ('sklearn', 'datasets', 'pooch', 'pyarrow') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", "digit: no such file or folder; did you mean 'digits'"),
        ("/no/such/folder", "^/no/such/folder: no such file or folder$"),
        ("images.zip", "^images.zip: no such file or folder$"),
    ],
)
def test_a_missing_source_is_named(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_images(source, DataSettings())


def test_a_foreign_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"notes\.txt: not a data source; expected a folder"):
        load_images(str(tmp_path / "notes.txt"), DataSettings())


def test_running_out_of_memory_is_an_instruction(monkeypatch) -> None:
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("degas.data.sources.decode_in_memory", exhausted)
    with pytest.raises(UserError, match=r"--data\.max-images"):
        load_images("digits", DataSettings())


def test_a_folder_has_one_name_with_and_without_its_slash(tmp_path: Path) -> None:
    """A run that began with the one goes on with the other."""
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    settings = DataSettings(image_size=8, cache=tmp_path / "cache")
    plain, slashed = (load_images(f"{tmp_path}{end}", settings) for end in ("", "/"))
    assert (slashed.source, slashed.fingerprint) == (plain.source, plain.fingerprint)
