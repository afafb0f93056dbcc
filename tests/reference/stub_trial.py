"""A trial without torch: counts steps in a file as a training counts them in checkpoints, and makes up a score.

Settings: `steps`, `pause` (seconds a step), `ends` (`reject`, `crash`, `once`: crash at the first attempt); everything
else only enters the score, which depends on settings and steps alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(words: Sequence[str]) -> int:
    settings, run = read_words(words)
    begun = run / "attempts"
    run.mkdir(parents=True, exist_ok=True)
    attempts = int(begun.read_text()) if begun.exists() else 0
    begun.write_text(str(attempts + 1))
    ends = settings.get("ends", "well")
    if ends == "reject":
        print("degas: --gan.width: must be at least 1, not 0", file=sys.stderr)
        return 2
    if ends == "crash" or (ends == "once" and attempts == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    steps = int(settings.get("gan.stop-step", settings.get("steps", 4)))
    work(run, steps, float(settings.get("pause", 0)))
    (run / "facts.json").write_text(json.dumps(facts()))
    write_scores(run, score_of(settings, steps))
    return 0


def work(run: Path, steps: int, pause: float) -> None:
    path = run / "step"
    done = int(path.read_text()) if path.exists() else 0
    for step in range(done, steps):
        time.sleep(pause)
        part = run / ".step"
        part.write_text(str(step + 1))
        part.replace(path)
        print(f"step {step + 1}", flush=True)


def score_of(settings: dict[str, str], steps: int) -> float:
    """Between 0 and 1, falling with the steps; made of the settings that are a result's."""
    own = {name: value for name, value in settings.items() if name not in ("gan.stop-step", "pause", "ends")}
    digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 / (1 + steps)


def write_scores(run: Path, value: float) -> None:
    folder = run / "evaluation"
    folder.mkdir(exist_ok=True)
    part = folder / ".scores"
    part.write_text(json.dumps({"scores": {"fid": {"value": value}, "kid": {"value": 2 * value}}}))
    part.replace(folder / "scores.json")


def facts() -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    return {"cores": cores, "torch": "torch" in sys.modules, **{name: os.environ.get(name) for name in names}}


def read_words(words: Sequence[str]) -> tuple[dict[str, str], Path]:
    settings = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
    return settings, Path(words[list(words).index("--out") + 1])
