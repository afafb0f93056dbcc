"""The kind of a run: data set, labels, n, origin of its architecture, and its differences from the paper's.

Everything comes from the run's JSON: the architecture's provenance, the settings, scores.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from degas.report.collect import Run, flatten
from degas.report.paper import PaperRow, paper_data_set
from degas.settings.presets import preset_values

UNSAID = (
    "checkpoint_steps",
    "sample_steps",
    "log_steps",
    "width",
)  # settings of the preset that do not affect scores, or that `Kind` distinguishes
PAPER_WIDTH = 128


SEARCHED = ("search", "consensus of searches", "contest")  # provenance of an architecture that this package found


@dataclass(frozen=True)
class Kind:
    """`data`: the paper's data set of the measurement, or None. `origin`: where the architecture comes from.

    `own` (searched on that data set at full size), `own at 16 px`, `CIFAR-10's` (searched on another of the paper's
    data sets), `random` (α drawn and pruned, as in §4.2), `resnet` (CT-GAN's own generator), `fine-tuned` (training
    began with another generator's weights, which no row of the paper does); None for anything else.
    """

    data: str | None
    labels: bool
    origin: str | None
    num_normal: int | None

    def is_counterpart(self, row: PaperRow) -> bool:
        """Return whether the paper's row is about runs of this kind."""
        if row.ours is None or self.data is None or self.origin is None:
            return False
        own = {"origin": self.origin, "num_normal": self.num_normal}
        return (self.data, self.labels) == (row.data, row.labels) and own == dict(row.ours)

    @property
    def description(self) -> str:
        origins = {
            None: "its files do not say that the architecture was searched on one of the paper's data sets",
            "own": "searched on this data set",
            "random": "a random architecture",
            "resnet": "CT-GAN's own generator",
            "fine-tuned": "its training began with another generator's weights",
        }
        origin = origins.get(self.origin) or f"the architecture is {self.origin}"
        depth = f", n = {self.num_normal}" if self.num_normal is not None else ""
        return f"{origin}{depth}, trained {'with' if self.labels else 'without'} labels"


def kinds_of(runs: Sequence[Run]) -> list[Kind]:
    """The kind of every run. An architecture's file gives the fingerprint of its images but no data set; the run that
    searched it, if shown together, gives the name.
    """
    names = _data_sets(runs)
    return [_kind(run, names) for run in runs]


def differences(run: Run, kind: Kind) -> list[str]:
    """Settings of search and training that are not the preset `paper`'s, as `gan.num_steps 5000 (paper: 100000)`."""
    provenance = _provenance(run)
    settings = flatten(
        {name: provenance[name] for name in ("search", "space") if isinstance(provenance.get(name), dict)}
    )
    settings |= {key: v for key, v in flatten(run.train.config if run.train else {}).items() if key.startswith("gan.")}
    moved = kind.origin == "CIFAR-10's"  # then the search has the rates for CIFAR-10
    source = "" if moved else str(run.scores.get("data", {}).get("source", ""))
    found = _own_sizes(_trained(run), moved)
    width = _trained(run).get("width")
    if isinstance(width, int) and width != PAPER_WIDTH:
        found.append(f"width {width} (paper: not given, {PAPER_WIDTH} fits its sizes)")
    for section, values in preset_values("paper", source).items():
        for name, wanted in values.items():
            value = settings.get(f"{section}.{name}", wanted)
            if name not in UNSAID and value != wanted:
                found.append(f"{section}.{name} {value} (paper: {wanted})")
    if (critic := settings.get("gan.critic")) not in (None, PAPER_CRITIC):
        found.append(f"gan.critic {critic} (paper: {PAPER_CRITIC})")
    return found


PAPER_CRITIC = "resnet"  # CT-GAN's, which the paper trains against (§4)
# What every architecture of the paper has at 32 px, whatever was searched; a moved one scales base and noise (§4.1).
PAPER_SIZES = {"order": "normal-up", "separable_order": "darts", "num_stages": 3, "noise_size": 128}


def _own_sizes(trained: Mapping[str, Any], moved: bool) -> list[str]:
    """What of the trained architecture itself, drawn or searched, differs from the paper's: its sizes and orders."""
    found = []
    for name, wanted in PAPER_SIZES.items():
        value = trained.get(name, wanted)
        if value != wanted and not (moved and name == "noise_size"):
            found.append(f"the architecture's {name} {value} (paper: {wanted})")
    return found


def _kind(run: Run, names: Mapping[str, str]) -> Kind:
    data = paper_data_set(run.scores)
    settings = flatten(run.train.config) if run.train else {}
    labels = settings.get("gan.supervised") is True
    if run.fine_tuned_from is not None:
        return Kind(data, labels, "fine-tuned", None)
    if not _trained(run):
        return Kind(data, labels, "resnet" if run.generator.get("kind") == "resnet" else None, None)
    depth = _trained(run).get("num_normal")
    return Kind(data, labels, _origin(run, data, names), depth if isinstance(depth, int) else None)


def _origin(run: Run, data: str | None, names: Mapping[str, str]) -> str | None:
    provenance = _provenance(run)
    if provenance.get("method") == "random α, pruned":
        return "random"
    images = provenance.get("data")
    if provenance.get("method") not in SEARCHED or not isinstance(images, dict):
        return None
    fingerprint = images.get("fingerprint")
    if fingerprint is not None and fingerprint == run.scores.get("data", {}).get("fingerprint"):
        return "own"
    searched = names.get(str(fingerprint))
    if searched is None:
        return None
    return f"own at {images.get('image_size')} px" if searched == data else f"{searched}'s"


def _data_sets(runs: Sequence[Run]) -> dict[str, str]:
    """Fingerprint of images → name of the paper's data set, from all that the runs say about their data."""
    names: dict[str, str] = {}
    for run in runs:
        for told in (run.scores, *(stage.config for stage in run.stages.values())):
            data = told.get("data")
            if isinstance(data, dict) and (name := paper_data_set({"data": data})):
                names[str(data.get("fingerprint"))] = name
    return names


def _trained(run: Run) -> Mapping[str, Any]:
    """The trained architecture as in its file, or before training the found one; {} for a baseline."""
    if run.generator:
        saved = run.generator.get("architecture")
        return saved if isinstance(saved, dict) else {}
    return run.architecture.to_dict() if run.architecture else {}


def _provenance(run: Run) -> Mapping[str, Any]:
    found = _trained(run).get("provenance")
    return found if isinstance(found, dict) else {}
