"""Memory, open files and logs stay flat over many steps: 200 every day, 2,000 nightly, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SIZES = ("--data", "digits", "--data.max-images", "32", "--data.image-size", "8", "--quiet")
SEARCH = (
    *("search", "--search.width", "4", "--search.noise-size", "8", "--search.batch-images", "16"),
    *("--search.plateau-share", "0", "--search.log-steps", "10", "--search.checkpoint-steps", "20"),
)
GAN = (
    *("train", "--architecture", "dcgan", "--gan.width", "4", "--gan.batch-images", "8", "--gan.log-steps", "10"),
    *("--gan.sample-steps", "100", "--gan.checkpoint-steps", "20", "--gan.objective", "ct-gan"),
    *("--gan.critic-steps", "1"),
)
# Runs a command and, at every logged step, notes this process's memory and open files.
WATCHED = """
import json, os, sys
from degas.cli.main import main
from degas.runtime.run_folder import StageFolder
seen, log = [], StageFolder.log_metrics
def watch(folder, step, **values):
    pages = int(open("/proc/self/statm").read().split()[1])
    seen.append((step, pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))))
    log(folder, step, **values)
StageFolder.log_metrics = watch
status = main(sys.argv[2:])
json.dump(seen, open(sys.argv[1], "w"))
sys.exit(status)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "num_steps", [pytest.param(200, marks=pytest.mark.slow), pytest.param(2000, marks=pytest.mark.nightly)]
)
@pytest.mark.parametrize("stage", ["search", "train"])
def test_memory_files_and_logs_stay_flat(stage: str, num_steps: int, tmp_path: Path) -> None:
    steps = ("--search.num-epochs", str(num_steps // 2)) if stage == "search" else ("--gan.num-steps", str(num_steps))
    command = (*(SEARCH if stage == "search" else GAN), *SIZES, "--out", str(tmp_path), *steps)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    process = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path / "seen.json"), *command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=280 if num_steps < 1000 else 1500,
    )
    assert process.returncode == 0, process.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen[-1][0] == num_steps
    early = [entry for entry in seen if num_steps * 0.2 <= entry[0] <= num_steps * 0.4]
    late = [entry for entry in seen if entry[0] >= num_steps * 0.8]
    growth = max(memory for _, memory, _ in late) - max(memory for _, memory, _ in early)
    assert growth < 8 * 2**20, f"{growth / 2**20:.1f} MiB more"  # a leak of 14 KiB a step is seen in 600 steps
    assert max(files for _, _, files in late) <= max(files for _, _, files in early)
    folder = tmp_path / stage
    assert len(list((folder / "checkpoints").iterdir())) == 2
    logs = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    epochs = num_steps // 2 if stage == "search" else 0
    assert logs < 1000 * num_steps / 10 + 8000 * epochs + 20_000
