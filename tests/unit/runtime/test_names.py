from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from degas.generator.find import generator_folder
from degas.runtime.names import composed, existing, same_name
from degas.runtime.paths import expanded
from degas.space.find import architecture_file

COMPOSED, APART = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def test_names_are_compared_composed() -> None:
    assert COMPOSED != APART
    assert composed(APART) == COMPOSED
    assert same_name(COMPOSED, ["x", APART]) == APART
    assert same_name(APART, [COMPOSED, APART]) == APART
    assert same_name("cafe", [COMPOSED, APART]) is None


@pytest.mark.parametrize(("stored", "typed"), [(APART, COMPOSED), (COMPOSED, APART), (APART, APART)])
def test_a_path_is_found_however_it_is_stored(tmp_path: Path, monkeypatch, stored: str, typed: str) -> None:
    (tmp_path / stored / stored).mkdir(parents=True)
    assert existing(tmp_path / typed / typed) == tmp_path / stored / stored
    monkeypatch.chdir(tmp_path)
    assert expanded(f"{typed}/{typed}") == Path(stored) / stored
    for name in ("config.json", "model.safetensors", "architecture.json"):
        (tmp_path / stored / name).write_text("{}")
    assert generator_folder(typed) == Path(stored)
    assert architecture_file(typed) == Path(stored) / "architecture.json"


@pytest.mark.parametrize("name", ["é/nothing/here", "é" * 300, "é\0", "no/é"])
def test_a_path_to_nothing_stays_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "no").write_text("a file")
    assert existing(tmp_path / name) == tmp_path / name
