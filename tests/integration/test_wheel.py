"""A wheel, installed into an empty environment, is whole: the demo's first stage runs from it, and what ships is in it.

torch and the other dependencies come from this environment, by a line in a .pth file of the empty one: installing them
anew would take minutes and a network. A .pth file adds a path only, so this environment's own (editable) degas is not
seen; the test says where degas came from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ("--data.max-images", "128", "--search.width", "8", "--search.num-epochs", "1", "--search.plateau-share", "0")


def call(*command: str | Path, cwd: Path) -> str:
    """Run without this test's PYTHONPATH; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**kept, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds nothing but the wheel; the sources are copied, to stay clean."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", folder / "sources/src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "sources")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder / "dist", "./sources")
    call(*pip, *build, cwd=folder)
    call(sys.executable, "-m", "venv", "--without-pip", "empty", cwd=folder)
    python = folder / "empty/bin/python"
    (wheel,) = (folder / "dist").glob("degas_nas-*.whl")
    call(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    dependencies = folder / "empty/lib" / version / "site-packages/dependencies.pth"
    dependencies.write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.mark.slow
def test_the_demos_first_stage_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    where = call(
        installed / "python", "-c", "import degas, degas_lab; print(degas.__file__, degas_lab.__file__)", cwd=tmp_path
    )
    assert all(path.startswith(str(installed.parent)) for path in where.split()), where
    call(installed / "degas", "search", "--data", "digits", "--out", "demo", "--preset", "quick", *SMALL, cwd=tmp_path)
    assert (tmp_path / "demo/search/architecture.json").stat().st_size > 0


@pytest.mark.slow
def test_what_ships_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Trained generators, architectures, critics, templates and the commands of degas_lab."""
    call(
        installed / "degas",
        "sample",
        "--generator",
        "degas-digits",
        "--num-images",
        "2",
        "--out",
        "two.png",
        cwd=tmp_path,
    )
    call(installed / "degas", "describe", "degas-cifar10-nearest", cwd=tmp_path)
    assert "contest" in call(installed / "degas", "--help", cwd=tmp_path)
    assert list(installed.parent.rglob("site-packages/degas/space/critics/resnet.json"))
    packed = {path.name for path in (installed.parent).rglob("site-packages/degas/report/**/*")}
    assert {path.name for path in (ROOT / "src/degas/report").rglob("*") if path.suffix not in (".py", ".pyc")} - {
        "__pycache__"
    } <= packed
