"""The fits of a polish: each made once, and kept as a small file, so that a killed search continues after it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.data.loader import steps_per_epoch
from degas.errors import UserError
from degas.nas.glo.standalone import fit_or_failure
from degas.nas.settings import CompleteSearch
from degas.nets.cost import architecture_cost
from degas.runtime.distributed import Engine
from degas.runtime.interrupts import StopRequest
from degas.runtime.json_files import write_json
from degas.runtime.progress import Progress
from degas.space.architecture import Architecture

FOLDER = "polish"  # in the search's folder


@dataclass(frozen=True)
class Contestant:
    """An architecture with the name of its files, and what is said of it on the live line."""

    name: str
    words: str
    architecture: Architecture


class Fits:
    """The fits in the folder `path`: `found-s0.json`, `N1-direct-conv_3x3-s0.json`, …

    Args:
        contestants: who may be fitted, the found architecture first.
        seeds: the seeds that may be asked for.
    """

    def __init__(
        self,
        path: Path,
        contestants: Sequence[Contestant],
        images: ImageSet,
        settings: CompleteSearch,
        *,
        seeds: Sequence[int],
        engine: Engine,
    ) -> None:
        self.path, self.contestants, self.images, self.settings = path, contestants, images, settings
        self.seeds, self.engine = seeds, engine
        # Rank 0 reads for all, so that no process waits for one that found fewer files.
        self.known: dict[str, dict[str, Any]] = engine.from_main(self._read() if engine.is_main else None)
        epoch_steps = steps_per_epoch(images.num_images, settings.batch_images, engine.shares.begun_ranks)
        self.steps_per_fit = settings.num_epochs * epoch_steps
        self.step = len(self.known) * self.steps_per_fit  # finished steps of all fits
        self.num_made = len(self.known)

    def follow(self, bar: Progress, stop: StopRequest) -> None:
        """Show the steps of the coming fits on `bar`, and end them if `stop` asks."""
        self.bar, self.stop = bar, stop

    def record(self, number: int, seed: int) -> dict[str, Any]:
        """The record of a contestant's fit with the seed of this number, made now unless it is known."""
        one, seed = self.contestants[number], self.seeds[seed]
        name = file_stem(one, seed)
        if name not in self.known:
            self.num_made += 1
            self.known[name] = self._made(one, seed)
            if self.engine.is_main:
                self.path.mkdir(exist_ok=True)
                write_json(self.path / f"{name}.json", self.known[name])
        return self.known[name]

    def loss(self, number: int, seed: int) -> float:
        """The loss of that fit; infinite if it diverged."""
        found = self.record(number, seed)["loss"]
        return math.inf if found is None else float(found)

    def _made(self, one: Contestant, seed: int) -> dict[str, Any]:
        note = f"fit {self.num_made}: {one.words}, seed {seed}"

        def after_step() -> None:
            self.step += 1
            self.bar.update(self.step, note)
            if self.engine.all_stop(self.stop.requested, self.step):
                self.stop.leave()

        options: dict[str, Any] = {"seed": seed, "num_epochs": self.settings.num_epochs, "engine": self.engine}
        end = self.step + self.steps_per_fit
        found = fit_or_failure(one.architecture, self.images, self.settings, after_step=after_step, **options)
        self.step = end  # one that diverged ended early
        if found["loss"] is not None and not math.isfinite(found["loss"]):
            found = {"loss": None, "failed": f"glo: the loss is {found['loss']} after the fit"}
        record = {"seed": seed, **found, **vars(architecture_cost(one.architecture)), "nodes": nodes_of(one)}
        of_main: dict[str, Any] = self.engine.from_main(record)
        return of_main

    def _read(self) -> dict[str, dict[str, Any]]:
        """The finished fits of these contestants; on another machine a close decision may have fallen differently."""
        found = {}
        for one in self.contestants:
            for seed in self.seeds:
                name = file_stem(one, seed)
                record = _read_record(self.path / f"{name}.json")
                if record is not None and record["nodes"] == nodes_of(one):
                    found[name] = record
        return found


def file_stem(one: Contestant, seed: int) -> str:
    return f"{one.name}-s{seed}"


def nodes_of(one: Contestant) -> Any:
    return one.architecture.to_dict()["nodes"]


def _read_record(path: Path) -> dict[str, Any] | None:
    """The record in a file, None without one."""
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
        if isinstance(record, Mapping) and {"loss", "nodes"} <= set(record):
            return dict(record)
    except (OSError, ValueError, RecursionError):
        pass
    raise UserError(f"{path}: cannot be read as the record of a fit; remove it and --resume")
