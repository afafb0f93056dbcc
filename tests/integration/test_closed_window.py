"""A real `degas search` on a terminal whose window is closed: it saves and leaves."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest

from degas.runtime.checkpoint import load_newest

COMMAND = """search --data digits --preset quick --search.width 2 --search.log-steps 1 --search.plateau-share 0
    --data.image-size 8 --data.max-images 32 --search.batch-images 8 --search.num-epochs 9999"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_closed_window_saves_first(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "search"
    command = [sys.executable, "-m", "degas", *COMMAND.split(), "--out", str(tmp_path / "run")]
    child, window = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever starts the tests may ignore it, as nohup does
        os.execv(sys.executable, command)
    metrics = folder / "metrics.jsonl"
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < 3:
        os.set_blocking(window, False)
        try:
            os.read(window, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    os.close(window)  # SIGHUP, and every further write fails
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 143
    found = load_newest(folder / "checkpoints", pytest.fail)
    assert found is not None
    assert found[0] == json.loads(metrics.read_text().splitlines()[-1])["step"]
    assert not (folder / "done.json").exists()
