"""The trials of a table: a search where a row needs one, a training, an evaluation; each in files, resumable anywhere.

DIR/searches/NAME-sSEED/search     a search's own run folder
DIR/runs/ROW-sSEED                 a training's and its evaluation's
DIR/trials/ROW-sSEED.json          the finished trial's record
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from degas.api import stages
from degas.data.image_set import ImageSet
from degas.data.sources import load_images
from degas.errors import UserError
from degas.evaluation.evaluate import Evaluator
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.runtime.finite import NonFiniteError
from degas.runtime.run_folder import read_jsonl
from degas.settings.presets import PRESETS
from degas.settings.resolve import settings_for
from degas.settings.sections import DataSettings, EvaluateSettings, SpaceSettings
from degas.space.architecture import FORMAT, VERSION, Architecture
from degas.space.pruning import prune_random_alpha
from degas_lab.paper.rows import IMAGE_SIZES, NOISE_SIZE, NUM_IMAGES, TABLES, Row, Search, data_sets_of, searches_of
from degas_lab.paper.scales import Scale
from degas_lab.trainings.objectives import resnet_width
from degas_lab.trials import Trials

PRESET = "paper"


class PaperTable:
    """One table of the paper at one scale: `measure` makes every missing trial.

    Args:
        table: a key of `rows.TABLES`.
        sources: data set → SRC, for each that the table needs.
    """

    def __init__(
        self,
        table: str,
        scale_name: str,
        scale: Scale,
        sources: Mapping[str, str],
        folder: Path,
        *,
        device: str = "auto",
        say: Callable[[str], None] = print,
    ) -> None:
        self.table, self.scale_name, self.scale = table, scale_name, scale
        self.sources, self.folder, self.device, self.say = dict(sources), folder, device, say
        self.rows, self.searches = TABLES[table], searches_of(table)
        self.images = {name: self._checked_images(name) for name in data_sets_of(table)}
        shared = {"scale": scale_name, "search": scale.search, "gan": scale.gan, "evaluate": scale.evaluate}
        self.trials = Trials(folder / "trials", {**shared, "width": scale.width, "preset": PRESET})

    def names(self) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
        """The name of every trial with the function that makes it, in order: a whole seed before the next."""
        for seed in self.scale.seeds:
            for search in self.searches:
                yield f"search-{search.name}-s{seed}", partial(self.search_record, search, seed)
            for row in self.rows:
                if row.maker != "real":
                    yield f"{row.name}-s{seed}", partial(self.row_record, row, seed)
                elif seed == self.scale.seeds[0]:  # no seed changes real images
                    yield f"{row.name}-s{seed}", partial(self.real_record, row, seed)

    def missing(self) -> list[str]:
        known = self.trials.records()
        return [name for name, _ in self.names() if name not in known]

    def check_weights(self) -> None:
        """Raise `UserError` if the extractor's weights are missing, before hours of work."""
        settings = settings_for("evaluate", EvaluateSettings, self.scale.evaluate, PRESET)
        for images in self.images.values() if self.rows else ():
            Evaluator(images, settings, device="cpu")

    def measure(self) -> list[str]:
        """Make every missing trial; return a line for each that could not be made.

        A diverged training is a result and is recorded; another failure is not, and the next call tries again.
        """
        problems = []
        makers = {name: partial(self._recorded, make) for name, make in self.names()}
        searched = {f"{row.name}-s{seed}" for row in self.rows if row.search for seed in self.scale.seeds}
        for needs_search in (False, True):  # the other rows keep cores busy until the last search is done
            self.trials.make_ahead({name: one for name, one in makers.items() if (name in searched) == needs_search})
        for name, make in makers.items():
            try:
                record = self.trials.run(name, make)
            except UserError as error:
                problems.append(f"{name}: {error}")
                self.say(f"{name:<34} not made: {error}")
                continue
            self.say(f"{name:<34} {in_words(record)}")
        return problems

    # ------------------------------------------------------------------------------------------ trials

    def search_record(self, search: Search, seed: int) -> dict[str, Any]:
        """The record of a search: architecture, loss of its last epoch, time."""
        found = self.search(search, seed)
        stage = self.folder / "searches" / f"{search.name}-s{seed}" / "search"
        losses = [record["epoch_loss"] for record in read_jsonl(stage / "metrics.jsonl") if "epoch_loss" in record]
        facts = {"kind": "search", "search": search.name, "seed": seed, "architecture": architecture_facts(found)}
        return {**facts, "nodes": found.to_dict()["nodes"], "loss": losses[-1], **self._time(stage, total_seconds)}

    def search(self, search: Search, seed: int) -> Architecture:
        """Search, or read the finished search back: from its folder, or else from its trial's record.

        So a table can go on from its trials on another machine, where a new search would round otherwise.
        """
        name = f"{search.name}-s{seed}"
        out = self.folder / "searches" / name
        record = self.trials.records().get(f"search-{name}", {})
        if "nodes" in record and not (out / "search" / "architecture.json").exists():
            return recorded_architecture(record, self.images[search.data].channels)
        data = {**search.data_settings(), "max_images": self.scale.search_images}
        return stages.search(
            self.sources[search.data],
            out,
            preset=PRESET,
            seed=seed,
            resume=True,
            device=self.device,
            data_settings=data,
            space=search.space_settings(),
            search={**search.rates(), "width": self.scale.width, **self.scale.search},
        )

    def row_record(self, row: Row, seed: int) -> dict[str, Any]:
        """Train and score a row's generator."""
        out = self.folder / "runs" / f"{row.name}-s{seed}"
        architecture, facts = self.architecture(row, seed)
        size = {"image_size": IMAGE_SIZES[row.data]}
        common: dict[str, Any] = {"preset": PRESET, "seed": seed, "device": self.device, "data_settings": size}
        if (known := self._same_training(row, facts, seed)) is not None:
            return {**known, "row": row.name}
        gan = self.gan_settings(row, facts)
        stages.train(architecture, self.sources[row.data], out, gan=gan, space={}, resume=True, **common)
        scores = self._evaluate(row, out, seed, common)
        generator = Generator.load(generator_folder(out))
        if generator.architecture is not None:  # at the sizes of the training
            facts = architecture_facts(generator.architecture)
        record = {"kind": "row", "row": row.name, "seed": seed, "architecture": facts, "scores": scores}
        record |= {"num_parameters": generator.num_parameters, "objective": row.objective, "labels": row.labels}
        return {**record, "data": self.images[row.data].identity, **self._time(out / "train", step_seconds)}

    def _same_training(self, row: Row, facts: Mapping[str, Any], seed: int) -> dict[str, Any] | None:
        """The record of CT-GAN's own generator where this row is the same: as large as DEGAS at the same width."""
        of = (row.data, row.objective, row.labels)
        same = [one for one in self.rows if one.maker == "resnet" and (one.data, one.objective, one.labels) == of]
        if row.maker != "resnet-equal" or facts["width"] != self.scale.width or not same:
            return None
        return dict(self.trials.records().get(f"{same[0].name}-s{seed}", {})) or None

    def real_record(self, row: Row, seed: int) -> dict[str, Any]:
        """The data set's own scores: the floor, real images against others, and the Inception Score of real images."""
        found = stages.evaluate(
            None,
            self.sources[row.data],
            self.folder / "runs" / row.name,
            images=self.sources[row.data],
            preset=PRESET,
            seed=seed,
            device=self.device,
            data_settings={"image_size": IMAGE_SIZES[row.data]},
            evaluate=self.scale.evaluate,
        )["scores"]
        scores = {name: entry for name, entry in found.items() if "_train" not in name}
        for name, entry in found.items():
            if "_floor" in name:
                scores[name.replace("_floor", "")] = entry
        record = {"kind": "real", "row": row.name, "seed": seed, "scores": shortened(scores)}
        return {**record, "data": self.images[row.data].identity}

    def architecture(self, row: Row, seed: int) -> tuple[Architecture | str, dict[str, Any]]:
        """What is trained, and facts about it: an architecture's own sizes and order, or the width of `resnet`."""
        if row.maker == "searched" and row.search is not None:
            found = self.search(row.search, seed)
            return found, architecture_facts(found.for_image_size(IMAGE_SIZES[row.data]))
        if row.maker == "random":
            found = self.drawn(row, seed)
            return found, architecture_facts(found)
        width = self.scale.width
        if row.maker == "resnet-equal" and row.search is not None:
            found = self.search(row.search, seed).for_image_size(IMAGE_SIZES[row.data])
            count = Generator.from_architecture(found).num_parameters
            width = resnet_width(count, base_size=found.base_size, num_stages=found.num_stages, channels=3)
        return "resnet", {"kind": "resnet", "width": width}

    def drawn(self, row: Row, seed: int) -> Architecture:
        """The paper's random block: random α, pruned (§4.2), in the preset's order of operations."""
        settings = SpaceSettings(**PRESETS[PRESET]["space"])
        graph, base_size = settings.resolve(IMAGE_SIZES[row.data])
        return Architecture(
            graph.num_stages,
            graph.num_normal,
            base_size,
            self.scale.width,
            NOISE_SIZE,
            3,
            prune_random_alpha(graph, seed),
            settings.separable_order,
            graph.order,
            provenance={"method": "random α, pruned", "seed": seed},
        )

    def gan_settings(self, row: Row, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The row's changes to the preset's adversarial settings."""
        own: dict[str, Any] = {"objective": row.objective, "supervised": row.labels}
        own["generator_width"] = facts["width"]
        if row.noise_size is not None:
            own["noise_size"] = row.noise_size
        return {**self.scale.gan, **own}

    # ------------------------------------------------------------------------------------------ parts

    def _evaluate(self, row: Row, out: Path, seed: int, common: dict[str, Any]) -> dict[str, Any]:
        found = stages.evaluate(out, self.sources[row.data], out, evaluate=self.scale.evaluate, **common)["scores"]
        return shortened({name: entry for name, entry in found.items() if "_floor" not in name})

    def _checked_images(self, name: str) -> ImageSet:
        """The images of a data set, read before anything begins, and enough of them."""
        images = load_images(self.sources[name], DataSettings(image_size=IMAGE_SIZES[name]), self.folder)
        if self.scale.exact_data and images.num_images != NUM_IMAGES[name]:
            raise UserError(
                f"--{name}: {self.sources[name]} has {images.num_images:,} images, but the paper's protocol needs "
                f"{NUM_IMAGES[name]:,}; give the official archive, or use --scale small"
            )
        if any(row.labels for row in self.rows if row.data == name) and not images.num_classes:
            raise UserError(f"--{name}: {self.sources[name]} has no labels, which table {self.table} needs")
        return images

    def _recorded(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return make()
        except NonFiniteError as error:
            return {"failed": str(error)}

    def _time(self, stage: Path, measure: Callable[[list[dict[str, Any]]], float]) -> dict[str, Any]:
        """The time of a stage: seconds, and the cores or the GPU that they were spent on."""
        device = "cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu"
        seconds = measure(read_jsonl(stage / "timing.jsonl"))
        return {"seconds": seconds, "device": device, "num_threads": torch.get_num_threads()}


def total_seconds(records: list[dict[str, Any]]) -> float:
    """The seconds of a search from timing.jsonl, whose clock starts anew after each interruption."""
    total = last = 0.0
    for record in records:
        seconds = float(record["seconds"])
        total, last = total + (seconds - last if seconds >= last else seconds), seconds
    return total


def step_seconds(records: list[dict[str, Any]]) -> float:
    """The seconds of a training from timing.jsonl, which has seconds per step at some steps."""
    total, last = 0.0, 0
    for record in records:
        total, last = total + float(record["seconds_per_step"]) * (record["step"] - last), record["step"]
    return total


def architecture_facts(found: Architecture) -> dict[str, Any]:
    """The sizes and orders of an architecture, which a comparison must hold equal or show."""
    names = ("num_stages", "num_normal", "base_size", "width", "noise_size", "order", "separable_order")
    return {name: getattr(found, name) for name in names}


def recorded_architecture(record: Mapping[str, Any], channels: int) -> Architecture:
    """The architecture that a search's record describes; `channels`: of its images."""
    head = {"format": FORMAT, "version": VERSION, **record["architecture"], "channels": channels}
    method = {"method": "search, from its trial's record", "seed": record["seed"]}
    return Architecture.from_dict({**head, "nodes": record["nodes"], "provenance": method})


def shortened(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Protocol → value and std."""
    return {name: {"value": entry["value"], "std": entry["std"]} for name, entry in scores.items()}


def in_words(record: Mapping[str, Any]) -> str:
    """A trial's record in a line."""
    if "failed" in record:
        return f"diverged: {record['failed'][:60]}"
    if record["kind"] == "search":
        return f"loss {record['loss']:.4f}  {json.dumps(record['architecture'])}"
    shown = [f"{name} {entry['value']:.4g}" for name, entry in record["scores"].items() if name[:3] in ("fid", "is_")]
    return "  ".join(shown)
