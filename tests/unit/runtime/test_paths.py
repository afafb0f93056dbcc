"""`~` in every path, and caches for users without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from degas.api import stages as api
from degas.cli import main as cli
from degas.data.cache import cache_folder
from degas.errors import UserError
from degas.figures.grids import save_png
from degas.generator.generator import Generator
from degas.runtime.paths import cache_home, expanded
from degas.settings.sections import DataSettings, EvaluateSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

ARCHITECTURE = Architecture(1, 1, 4, 4, 8, 3, SearchSpace(1).draw(0))
SEARCH = {"width": 2, "noise_size": 4, "num_epochs": 1, "plateau_share": 0.0}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with images, in another folder than the one the test works in."""
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    for k in range(8):
        save_png(np.full((8, 8, 3), 20 * k, np.uint8), home / "pets" / f"{k}.png")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(here)
    return home


@pytest.fixture(autouse=True)
def _nothing_named_after_it(tmp_path: Path) -> Any:
    yield
    assert not list(tmp_path.rglob("~*"))


def test_every_path_option_of_the_command_line(home: Path, capsys: Any) -> None:
    ARCHITECTURE.save("~/arch.json")
    commands = [
        "random --out ~/random.json",
        "describe ~/arch.json --out ~/arch.svg",
        "describe --out=~/again.svg ~/arch.json",
        "data info ~/pets --out ~/grid.png --data.image-size 8",
    ]
    for command in commands:
        assert cli.main(command.split()) == 0, capsys.readouterr().err
    for name in ("arch.json", "random.json", "arch.svg", "again.svg", "grid.png"):
        assert (home / name).exists(), name
    assert cli.main(["describe", "~nobody-of-that-name/arch.json"]) == 2
    assert capsys.readouterr().err == (
        "degas: ~nobody-of-that-name/arch.json: no such home folder; write the path in full\n"
    )
    assert cli.main(["random", "--out", "~nobody-of-that-name/x"]) == 2


def test_every_path_from_python(home: Path) -> None:
    found = api.search("~/pets", "~/run", data_settings={"image_size": 8}, search=SEARCH, progress=False)
    assert Architecture.load("~/run/search/architecture.json") == found
    generator = Generator.from_architecture(ARCHITECTURE)
    generator.save("~/generator")
    assert Generator.load("~/generator").num_parameters == generator.num_parameters
    assert (home / "run" / "search").is_dir()
    assert DataSettings(cache=Path("~/c")).cache == home / "c"
    assert EvaluateSettings(classifier=Path("~/c")).classifier == home / "c"


def test_the_usual_cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(DataSettings()) == home / ".cache" / "degas"
    monkeypatch.setenv("XDG_CACHE_HOME", "~/elsewhere")
    assert cache_home() == home / "elsewhere"


@pytest.mark.parametrize("why", ["no home", "a home to read only"])
def test_without_a_home_caches_are_temporary_files(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if why == "no home":

        def nobody() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", nobody)
    else:
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    folder = cache_home()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache_home() == folder
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(UserError, match="another user"):
        cache_home()


def test_a_cache_that_is_there_is_used_even_to_read_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".cache" / "degas").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cache_home() == home / ".cache"


def test_a_home_that_is_no_home_is_told() -> None:
    with pytest.raises(UserError, match="no such home folder"):
        expanded("~nobody-of-that-name/x")


def test_what_is_no_path_is_told() -> None:
    for wrong, kind in ((5, "int"), (None, "NoneType"), (ARCHITECTURE, "Architecture"), (b"x", "bytes")):
        with pytest.raises(UserError, match=f"an object of type {kind} is no path; give a path or a name as text"):
            expanded(wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="a path is empty; name the file or folder"):
        expanded("")  # not the current folder
    assert expanded(Path(".")) == Path()


@pytest.mark.slow
def test_a_user_id_without_a_name_and_a_home(tmp_path: Path) -> None:
    """As `docker --user 12345` has it."""
    unshare = ["unshare", "--user", "--map-user=12345"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    for k in range(8):
        save_png(np.full((8, 8, 3), 20 * k, np.uint8), tmp_path / "pets" / f"{k}.png")
    command = f"search --data {tmp_path}/pets --out {tmp_path}/run --data.image-size 8 --search.width 2 --quiet"
    job = [*unshare, sys.executable, "-m", "degas", *command.split(), "--search.num-epochs", "1"]
    done = subprocess.run(
        [*job, "--search.plateau-share", "0"],
        env={**environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
