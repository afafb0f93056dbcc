"""The paper's rows, and which of our scores can be compared with them.

The rows are data, paper.json: Tables 1 to 4 and section 4.2 as printed, each with a note on its comparability. A score
of ours is comparable only under the same protocol (50,000 samples, Inception features, the 50,000 training images as
reference) on the same data set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPARABLE = ("fid_50k_train", "is_50k")


@dataclass(frozen=True)
class PaperRow:
    """One row: Inception Score (higher is better) and FID (lower is better), as printed; None if not printed.

    `ours` is the kind of run that corresponds to it (`report.kinds`), None if we have none; `word` says what the row
    can be compared with.
    """

    table: str
    data: str
    what: str
    inception_score: str | None
    fid: str | None
    search_gpu_days: str | None
    labels: bool
    ours: Mapping[str, Any] | None
    word: str

    @property
    def is_main(self) -> bool:
        """Return whether the row is DEGAS itself, not a rival or an ablation."""
        return self.ours is not None and self.ours["num_normal"] == 1 and not self.table.startswith("Table 4")


ROWS = tuple(PaperRow(**row) for row in json.loads((Path(__file__).parent / "paper.json").read_text("utf-8"))["rows"])


def paper_data_set(scores: Mapping[str, Any]) -> str | None:
    """The paper's data set of scores.json, by source and number of images; None for another one."""
    data = scores.get("data", {})
    source = str(data.get("source", "")).lower()
    if data.get("num_images") != 50_000 or re.search(r"jpe?g", source):  # a JPEG copy is not the same data set
        return None
    if re.search(r"cifar[-_ ]?10(?!\d)", source):
        return "CIFAR-10"
    return "STL-10" if re.search(r"stl[-_ ]?10(?!\d)", source) else None


def comparable_scores(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores of one run that are comparable with the paper's table: protocol → entry."""
    if paper_data_set(scores) is None:
        return {}
    entries = scores.get("scores", {})
    return {name: entries[name] for name in COMPARABLE if name in entries and _full_protocol(entries[name])}


def why_not(scores: Mapping[str, Any]) -> str | None:
    """Return in a sentence why none of a run's scores is comparable with the paper's; None if some are."""
    if not scores:
        return "it has not been evaluated"
    if comparable_scores(scores):
        return None
    if paper_data_set(scores) is None:
        source = str(scores.get("data", {}).get("source", "unknown"))
        return f"its reference images ({source}) are not the 50,000 of CIFAR-10 or STL-10 that the paper used"
    names = ", ".join(scores.get("scores", {})) or "none"
    return f"it has no {' or '.join(COMPARABLE)} (it has {names})"


def describe_protocol(name: str, entry: Mapping[str, Any]) -> str:
    """A score's protocol in words: the quantity, the number of samples, the features, and which way is better."""
    extractor = entry.get("extractor")
    features = f", {extractor} features" if extractor else ""
    samples = entry.get("num_samples")
    count = f", {samples:,} samples" if isinstance(samples, int) and not isinstance(samples, bool) else ""
    for prefix, (words, direction) in MEASURES.items():
        if name.lower().startswith(prefix):
            return f"{words}{count}{features}; {direction}"
    return f"score{count}{features}"


MEASURES = {
    "fid": ("Fréchet distance between feature Gaussians", "lower is better"),
    "kid": ("kernel distance (KID)", "lower is better"),
    "is_": ("Inception Score", "higher is better"),
    "precision": ("share of samples that look like the data", "higher is better"),
    "recall": ("share of the data that samples reach", "higher is better"),
    "density": ("density of samples around the data", "higher is better"),
    "coverage": ("share of the data that samples cover", "higher is better"),
    "classifier_score": ("Inception Score's formula on the data's own classifier", "higher is better"),
    "class_confidence": ("share of samples of whose class the classifier is at least 90 % sure", "higher is better"),
    "class_agreement": ("share of samples that the classifier puts into their intended class", "higher is better"),
}


def _full_protocol(entry: Mapping[str, Any]) -> bool:
    return entry.get("extractor", "inception") == "inception" and entry.get("num_samples", 50_000) == 50_000
