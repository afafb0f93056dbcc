"""The verdict on a run in one sentence, from scores.json: how far the samples are from the images, by two thresholds.

Far and near are ratios of Fréchet distances (FID): that of the samples to the images, by that of real images to other
real images, which is the floor. Where the thresholds lie is our choice (docs/report.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from degas.report.collect import Run, flatten
from degas.report.scoring import figure, floor_name, floor_of, untrained_of
from degas.runtime.json_files import number

CLOSE, FAR = 3.0, 10.0  # times the floor
NEAR = 1.05  # times the floor; below it, one decimal shows no difference
HARDLY_TRAINED = 0.5  # of the untrained distance; a generator that has not come half the way is far, whatever the floor
LONGEST_SCALE = 20.0  # times the floor, at least, at the right end of the scale
WORDS = {"close": "close", "between": "in between", "far": "far", "unknown": "not measured"}


@dataclass(frozen=True)
class Verdict:
    """`level` is "close", "between", "far" or "unknown"; `basis` names the score that `sentence` is computed from.

    `ratio` and `untrained` are multiples of the floor, None where not measured.
    """

    level: str
    sentence: str
    basis: str = ""
    ratio: float | None = None
    untrained: float | None = None

    @property
    def word(self) -> str:
        return WORDS[self.level]

    @property
    def scale(self) -> dict[str, Any] | None:
        """Places on a logarithmic scale from the floor on, in per cent; None without a ratio."""
        if self.ratio is None:
            return None
        longest = max(LONGEST_SCALE, 1.3 * self.ratio, 1.3 * (self.untrained or 0))
        places = {"ratio": self.ratio, "untrained": self.untrained, "close": CLOSE, "far": FAR}
        return {name: None if value is None else _place(value, longest) for name, value in places.items()}


def verdict(run: Run) -> Verdict:
    """The verdict on a run, whatever stages it has."""
    return verdict_on(run.scores) or Verdict("unknown", _unmeasured(run))


def verdict_on(scores: Mapping[str, Any]) -> Verdict | None:
    """The verdict from the object of scores.json, by its first Fréchet distance with a floor; None without any."""
    entries = scores.get("scores", {})
    names = [name for name in entries if name.lower().startswith("fid")]
    floors = {floor_name(name) for name in names}
    scored = [name for name in names if name not in floors]
    for name in scored:
        floor = floor_of(entries, name)
        if floor is not None and floor > 0:
            return _measured(name, entries[name]["value"], floor, untrained_of(scores, name))
    if not scored:
        return None
    why = "without a floor nobody can say how near that is"
    if any(floor_of(entries, name) is not None for name in scored):
        why = "your images are so alike that their distance from each other is 0, and none can be compared with it"
    return Verdict("unknown", f"FID {figure(entries[scored[0]]['value'])}; {why}.", scored[0])


def _measured(name: str, value: float, floor: float, untrained: float | None) -> Verdict:
    ratio, begun = value / floor, None if untrained is None else untrained / floor
    sentence = f"Samples are {_times(ratio)}"
    basis = f"{name}: {figure(value)}; real images against real ones {figure(floor)}"
    if begun is not None:
        sentence += f"; an untrained generator is {_multiple(begun)} as far" if begun >= NEAR else _UNTRAINED_NEAR
        basis += f"; untrained {figure(untrained or 0)}"
    return Verdict(_level(ratio, begun), f"{sentence}.", basis, ratio, begun)


def _level(ratio: float, untrained: float | None) -> str:
    if ratio > FAR or (untrained is not None and ratio > HARDLY_TRAINED * untrained):
        return "far"
    return "close" if ratio <= CLOSE else "between"


def _times(ratio: float) -> str:
    if ratio < NEAR:
        return "as near to your images as your images are to each other"
    return f"{_multiple(ratio)} as far from your images as your images are from each other"


_UNTRAINED_NEAR = "; those of an untrained generator are as near"


def _multiple(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def _unmeasured(run: Run) -> str:
    """What has been done so far, where no distance is known."""
    if run.train is not None:
        if run.train.done:
            return "Trained, and not measured yet: degas evaluate does it."
        steps = [step for record in run.train.metrics if (step := number(record.get("step"))) is not None]
        whole = number(flatten(run.train.config).get("gan.num_steps"))
        of_all = f" of {whole:,.0f}" if whole else ""
        return f"Training is not finished: {max(steps, default=0):,.0f}{of_all} steps so far."
    if run.search is not None:
        done = run.search.done or run.architecture is not None
        return "Searched, and not trained yet." if done else "The search is not finished."
    return "Measured without a Fréchet distance, so that this page gives no verdict."


def _place(ratio: float, longest: float) -> float:
    return 100 * min(1.0, max(0.0, math.log(max(ratio, 1.0)) / math.log(longest)))
