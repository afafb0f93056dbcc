"""Switches that keep libraries from sending or writing anything unasked, set before any of them is imported.

A variable that the user has set keeps its value. docs/reliability.md lists which files degas writes.
"""

from __future__ import annotations

import os
from pathlib import Path

from degas.runtime.paths import cache_home

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: a device id and a database in the user's home, events to its maker
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and datasets and accelerate, which go through it
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",  # huggingface_hub: is there a newer one?
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets: one more request a data set, to be counted
    "RAY_USAGE_STATS_ENABLED": "0",  # ray: reports what a cluster is used for
    "GRADIO_ANALYTICS_ENABLED": "False",  # gradio: reports every start of a page
}


def switch_off() -> None:
    """Set every switch that the user has not set, and keep matplotlib's font list in degas' cache."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    try:
        if "MPLCONFIGDIR" not in os.environ and not _has_matplotlib_folder():
            os.environ["MPLCONFIGDIR"] = str(cache_home() / "degas" / "matplotlib")
    except RuntimeError:
        pass  # a user without a home: matplotlib finds a place of its own


def _has_matplotlib_folder() -> bool:
    """Return whether this home's user has used matplotlib before; then that user's settings and fonts apply."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "matplotlib"
    return config.is_dir() or (cache_home() / "matplotlib").is_dir()
