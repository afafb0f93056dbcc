"""Every row of the bad-input table, run through the command line in process, and the document that shows them."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from bad_input import DOCUMENT, ROWS, Row, document, make_folder

from degas.cli import main as cli
from degas.runtime.memory import available_bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    make_folder(root)
    return root


@pytest.mark.parametrize("row", ROWS, ids=[row.given for row in ROWS])
def test_a_row(row: Row, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    if "cuda" in row.command and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    if "GiB" in row.message and (torch.cuda.is_available() or (available_bytes() or 2**60) > 2**38):
        pytest.skip("this machine would do it")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = set(folder.rglob("*"))
    status = cli.main(shlex.split(row.command))
    said = capsys.readouterr().err  # type: ignore[attr-defined]
    after = set(folder.rglob("*"))
    shutil.rmtree(folder / "new", ignore_errors=True)
    pattern = ".*".join(re.escape(part) for part in f"degas: {row.message}\n".split("…"))  # `…`: a library's own words
    assert re.fullmatch(pattern, said), said
    assert status == row.status
    assert after == before  # nothing half-made, nothing lost, and the mended command finds no run in its way


def test_the_document_is_the_table() -> None:
    """Mend with `python tests/reference/bad_input.py`."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()
    assert len(ROWS) >= 40
