"""The evaluation stage: writes scores.json, its settings and the machine's description to RUN/evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from degas.errors import unreadable
from degas.runtime.environment import write_environment
from degas.runtime.json_files import as_json, write_json

# What makes generator and images the same: their content, whatever paths lead there.
_IDENTITY = (("data", "fingerprint"), ("generator", "weights"), ("generator", "config"))


def record_evaluation(
    folder: Path, scores: dict[str, Any], settings: dict[str, Any], command: list[str]
) -> dict[str, Any]:
    """Write config.json, environment.json and scores.json; returns what scores.json now holds.

    Scores of the same generator and images that the file holds already stay beside the new ones; of two with one
    name the new one counts. `settings` and `command` are those of this evaluation, the latest: what an older score
    was measured with stands in its own entry.
    """
    scores = _merged(folder / "scores.json", scores)
    write_json(folder / "config.json", as_json({"kind": "evaluation", **settings}))
    write_environment(folder, command)
    write_json(folder / "scores.json", scores)
    return scores


def _merged(path: Path, scores: dict[str, Any]) -> dict[str, Any]:
    """`scores` with those of `path` before them, where that is about the same generator and images."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if all(before[part][key] == scores[part][key] for part, key in _IDENTITY):
            return {**scores, "scores": {**before["scores"], **scores["scores"]}}
    except FileNotFoundError:
        pass
    except OSError as error:
        raise unreadable(path, error) from error  # not to be written over: it may hold an hour's scores
    except (ValueError, KeyError, TypeError, RecursionError):
        pass  # none, or none of ours: it is written anew
    return scores
