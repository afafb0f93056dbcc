"""Commands that another package adds through the entry point group."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from degas.cli import commands
from degas.errors import UserError


def added(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    entries = [SimpleNamespace(name=n, value=f"mine.{n}", load=lambda m=m: m) for n, m in modules.items()]
    monkeypatch.setattr(commands, "entry_points", lambda group: entries if group == commands.GROUP else [])


def test_an_added_command_is_found_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(SUMMARY="paints", LOWER="--colours", Options=None, main=None)
    added(monkeypatch, paint=module, plain=SimpleNamespace())
    assert commands.find_command(["paint", "--x"]) == (module, "paint", ["--x"])
    listed = dict(commands.summaries())
    assert (listed["paint"], listed["plain"]) == ("paints", "a command of mine")
    assert commands.hint("paint", commands.LOWER, "LOWER") == "--colours"
    assert commands.hint("plain", commands.LOWER, "LOWER") == ""
    with pytest.raises(UserError, match=r"unknown command 'paimt'; did you mean 'paint'"):
        commands.find_command(["paimt"])


def test_an_added_command_never_replaces_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    added(monkeypatch, search=SimpleNamespace(SUMMARY="mine"))
    assert commands.find_command(["search"])[0].__name__ == "degas.cli.search"
    assert dict(commands.summaries())["search"] == commands.COMMANDS["search"][0]


def test_the_installed_package_adds_the_lab_s_commands() -> None:
    assert {"benchmark", "contest", "experiment"} <= set(commands.added_commands())


def test_the_tool_does_not_name_the_lab() -> None:
    source = Path(commands.__file__).parents[1]
    named = [path for path in source.rglob("*.py") if "degas_lab" in path.read_text(encoding="utf-8")]
    assert not named


def test_help_needs_no_torch() -> None:
    code = "import sys; from degas.cli.main import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
