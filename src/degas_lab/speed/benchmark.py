"""`degas benchmark`: our steps against the textbook's, and against the machine's limit.

Everything runs in one process: rounds are interleaved and medians reported, so that ratios hold even if the machine's
speed varies. Images are noise and weights are untrained, since time does not depend on them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from degas.errors import UserError
from degas.gan.settings import resolve_gan
from degas.runtime.distributed import Engine
from degas.runtime.environment import write_environment
from degas.settings.sections import GanSettings
from degas_lab.sizes import Sizes
from degas_lab.speed.breakdown import breakdown
from degas_lab.speed.communication import communication
from degas_lab.speed.compiled import compare_compiled
from degas_lab.speed.evaluation_steps import EvaluationSteps
from degas_lab.speed.graphs import as_graphs
from degas_lab.speed.pool import throughput
from degas_lab.speed.search_steps import SearchSteps
from degas_lab.speed.timing import peak_mib
from degas_lab.speed.training_steps import TrainingSteps

# Both sides of these compute in a fixed precision; both sides of the others in the engine's precision.
ALWAYS = {
    "communication": "float32",
    "breakdown": "float32",
    "sampling": "float32",
    "pool": "float32",
    "features": "float32",
    "features_224": "float32",
    "fid": "float64",
}
GROWTH = {
    "width": (16, 32, 64),
    "image_size": (16, 32, 64, 128),
    "batch_images": (16, 64, 128),
    "num_images": (256, 4096, 200_000),
}


class Benchmark(SearchSteps, TrainingSteps, EvaluationSteps):
    """All measurements at one size on one device."""

    def growth(self) -> dict[str, list[dict[str, float]]]:
        """Our search step, and a training step of `mmd`, over width, image size, batch and number of images."""
        return {name: [self._grown(name, value) for value in values] for name, values in GROWTH.items()}

    def _grown(self, name: str, value: int) -> dict[str, float]:
        sizes = replace(self.sizes, **{name: value})
        other = Benchmark(sizes, rounds=self.rounds, seed=self.seed, engine=self.engine)
        other.clock, device = self.clock, self.engine.device
        calls = {"search": other._search(), "training": other._our_training_step("mmd")}
        times = self._time(calls)
        return {
            name: value,
            "ours_ms": times["search"],
            "ours_peak_mib": peak_mib(calls["search"], device),
            "training_ms": times["training"],
            "training_peak_mib": peak_mib(calls["training"], device),
        }

    def graphs(self) -> dict[str, dict[str, float]]:
        """The default search step, and those of `adversarial_steps`, as CUDA graphs."""
        if self.engine.device.type != "cuda":
            raise UserError("--parts graphs: CUDA graphs need a GPU; leave it out")
        settings = GanSettings(objective="ct-gan", width=self.sizes.width, batch_images=self.sizes.batch_images)
        return as_graphs(
            self.sizes.images(self.seed),
            self.sizes.search().model_copy(update={"schedule": "joint"}),
            resolve_gan(settings),
            self._generator,
            rounds=self.rounds,
            seed=self.seed,
            engine=self.engine,
        )

    def breakdown(self) -> dict[str, dict[str, dict[str, float]]]:
        """Shares of the time by kind of operation: search step, training steps, features."""
        calls = {"search": self._search("joint")}
        calls |= {name: self._our_training_step(name) for name in self.objectives or ("mmd", "r3gan")}
        calls["features"] = self._extractor(128, folded=True)
        return {"breakdown": {name: breakdown(call) for name, call in calls.items()}}

    def threads(self) -> dict[str, dict[str, dict[str, float]]]:
        """Our steps with one thread and with all, in the same rounds; `speedup` is what the other threads gain."""
        most = torch.get_num_threads()
        calls = {"search": self._search("joint")}
        calls |= {name: self._our_training_step(name) for name in self.objectives or ("mmd", "r3gan")}
        try:
            times = self._time(
                {f"{name} {n}": _with_threads(n, call) for name, call in calls.items() for n in (1, most)}
            )
        finally:
            torch.set_num_threads(most)
        return {
            "step_by_threads": {
                name: {
                    "ours_ms": times[f"{name} {most}"],
                    "one_thread_ms": times[f"{name} 1"],
                    "speedup": times[f"{name} 1"] / times[f"{name} {most}"],
                }
                for name in calls
            }
        }

    def pool(self) -> dict[str, dict[str, float]]:
        """One training of `mmd`, or of the first named objective, per core: their throughput in that of one."""
        objective = (self.objectives or ("mmd",))[0]
        return {"pool": throughput(self.sizes, objective=objective, rounds=self.rounds, seed=self.seed)}

    def compiled(self) -> dict[str, dict[str, dict[str, float]]]:
        """`torch.compile` of a search step, a training step of `mmd`, sampling and features."""
        return {"compiled": compare_compiled(self)}


def _with_threads(num_threads: int, call: Callable[[], object]) -> Callable[[], object]:
    def limited() -> None:
        torch.set_num_threads(num_threads)
        call()

    return limited


PARTS = ("search", "adversarial-search", "adversarial", "training", "sampling", "features", "fid")


def run_benchmark(
    sizes: Sizes,
    *,
    parts: Sequence[str] = PARTS,
    objectives: Sequence[str] = (),
    rounds: int = 9,
    growth: bool = False,
    seed: int = 0,
    clock: str = "wall",
    engine: Engine,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """The object that `degas benchmark --out FILE` writes: `machine`, `sizes`, and a key for each measurement.

    `precision` is the precision of both sides of each measurement. `objectives` are those of the parts `training` and
    `threads`; without any, all of them, and `mmd` and `r3gan`.
    """
    bench = Benchmark(sizes, rounds=rounds, seed=seed, engine=engine, clock=clock)
    bench.objectives = tuple(objectives)
    result: dict[str, Any] = {
        "machine": machine(command),
        "sizes": {**vars(sizes), "rounds": rounds, "seed": seed, "clock": clock},
        "precision": {},
    }
    measures = _measures(bench)
    for part in parts:
        say(f"measuring: {part}")
        found = measures[part]()
        result.update(found)
        result["precision"] |= {name: ALWAYS.get(name, engine.precision) for name in found}
    if growth:
        say("measuring: growth")
        result["growth"] = bench.growth()
    return result


def _measures(bench: Benchmark) -> dict[str, Callable[[], dict[str, Any]]]:
    """Part of a benchmark → what measures it."""
    return {
        "search": lambda: {"search_step": bench.search_step()},
        "adversarial-search": bench.adversarial_search,
        "adversarial": bench.adversarial_steps,
        "sampling": lambda: {"sampling": bench.sampling()},
        "training": lambda: {"training_step": bench.training_steps()},
        "features": bench.features,
        "fid": lambda: {"fid": bench.fid()},
        "graphs": bench.graphs,
        "communication": lambda: {"communication": communication(bench.sizes, seed=bench.seed)},
        "classifier": lambda: {"classifier_step": bench.classifier()},
        "breakdown": bench.breakdown,
        "threads": bench.threads,
        "pool": bench.pool,
        "compile": bench.compiled,
    }


def machine(command: Sequence[str]) -> dict[str, Any]:
    """Versions, processor, threads and device, as in a run's environment.json."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment.json"
        write_environment(path, list(command))
        found: dict[str, Any] = json.loads(path.read_text())
    return found
