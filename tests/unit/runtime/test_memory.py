"""How much memory there is, by the system's files, and refusing what is more."""

from __future__ import annotations

from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime import memory


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CONTAINER", ((tmp_path / "max", tmp_path / "current", tmp_path / "stat"),))
    return tmp_path


def test_the_machines_own_figure(files: Path) -> None:
    (files / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n")
    assert memory.available_bytes() == 2 * 2**20


def test_a_container_allows_less(files: Path) -> None:
    (files / "meminfo").write_text("MemAvailable: 2048 kB\n")
    (files / "max").write_text("5000\n")
    (files / "current").write_text("2000\n")
    assert memory.available_bytes() == 3000
    (files / "max").write_text("max\n")
    assert memory.available_bytes() == 2 * 2**20


@pytest.mark.parametrize("prefix", ["", "total_"])  # the second and the first version of control groups
def test_what_caches_files_is_free(prefix: str, files: Path) -> None:
    (files / "max").write_text("5000\n")
    (files / "current").write_text("4900\n")
    (files / "stat").write_text(f"anon 7\n{prefix}inactive_file 3000\n{prefix}active_file 400\n")
    assert memory.available_bytes() == 3500
    (files / "stat").write_text("of another kind\n")
    assert memory.available_bytes() == 100


def test_small_figures_are_told_in_small_units(files: Path) -> None:
    (files / "meminfo").write_text("MemAvailable: 3072 kB\n")
    with pytest.raises(UserError, match=r"needs at least 5 MiB of memory and 3 MiB are free"):
        memory.reject_beyond_memory("search", 5 * 2**20, "--search.width")


@pytest.mark.parametrize("content", [None, "", "MemAvailable:\n", "MemAvailable: much kB\n"])
def test_a_system_that_does_not_say(content: str | None, files: Path) -> None:
    if content is not None:
        (files / "meminfo").write_text(content)
    assert memory.available_bytes() is None
    memory.reject_beyond_memory("search", 2**60, "--search.width")  # then the allocator decides


def test_more_than_there_is_is_refused_with_both_figures(files: Path) -> None:
    (files / "meminfo").write_text(f"MemAvailable: {2**20} kB\n")
    memory.reject_beyond_memory("search", 2**30, "--search.width")
    with pytest.raises(UserError, match=r"search: needs at least 3\.0 GiB of memory and 1\.0 GiB are free; lower --s"):
        memory.reject_beyond_memory("search", 3 * 2**30, "--search.width")


def test_an_amount_in_words_is_never_nothing() -> None:
    assert [memory.in_words(n) for n in (200 * 2**10, 12 * 2**20, 3 * 2**29)] == ["200 KiB", "12 MiB", "1.5 GiB"]
