"""`degas benchmark`: our steps against the textbook's, and against the machine's limit.

Everything runs in one process: rounds are interleaved and medians reported, so that ratios hold even if the machine's
speed varies. Images are noise and weights are untrained, since time does not depend on them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.evaluation.statistics import FORWARD_IMAGES
from degas.gan.objectives import OBJECTIVES
from degas.gan.objectives.wasserstein import CtGan
from degas.gan.settings import CompleteGan, resolve_gan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.nas.state import Search
from degas.nets.critic import Critic
from degas.nets.resampling import as_defined
from degas.runtime.distributed import Engine
from degas.runtime.environment import write_environment
from degas.runtime.rng import forked_rng
from degas.settings.sections import GanSettings, SpaceSettings
from degas_lab.sizes import Sizes
from degas_lab.speed.adversarial_search import AdversarialSignal
from degas_lab.speed.communication import communication, drawn_generator
from degas_lab.speed.evaluation import extraction, frechet_calls
from degas_lab.speed.graphs import as_graphs
from degas_lab.speed.roofline import Rates, roofline_ms
from degas_lab.speed.textbook_steps import PlainCtGan, TextbookSearch
from degas_lab.speed.timing import CLOCKS, interleaved_ms, peak_mib
from degas_lab.speed.training import PlainStep, our_step

SEARCH_OBJECTIVES: tuple[str, ...] = ("sn-gan", "ct-gan")
# Both sides of these compute in a fixed precision; both sides of the others in the engine's precision.
ALWAYS = {
    "communication": "float32",
    "sampling": "float32",
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


class Benchmark:
    """All measurements at one size on one device; each method returns the object of its key in the JSON file."""

    def __init__(self, sizes: Sizes, *, rounds: int, seed: int, engine: Engine, clock: str = "wall") -> None:
        self.sizes, self.rounds, self.seed, self.engine = sizes, rounds, seed, engine
        self.clock = CLOCKS[clock]
        self.rates = Rates(engine.device, self.clock)

    def search_step(self) -> dict[str, float]:
        """One update of weights and latents and one of α, as in `degas search --search.schedule alternate`.

        `joint_ms` is the default step, one backward pass for all; the textbook has none.
        """
        ours, textbook, joint = self._search(), self._textbook_search(), self._search("joint")
        device = self.engine.device
        times = self._time({"ours": ours, "textbook": textbook, "joint": joint})
        return {
            "ours_ms": times["ours"],
            "textbook_ms": times["textbook"],
            "speedup": times["textbook"] / times["ours"],
            **self._roofline(ours, times["ours"]),
            "ours_peak_mib": peak_mib(ours, device),
            "textbook_peak_mib": peak_mib(textbook, device),
            "joint_ms": times["joint"],
        }

    def _search(self, schedule: Literal["alternate", "joint"] = "alternate") -> Callable[[], object]:
        search = self._new_search(schedule)
        return lambda: search.step(0)

    def _textbook_search(self) -> Callable[[], object]:
        search = self._new_search()
        return TextbookSearch(
            search.supernet, search.settings, self._pixels(search), seed=self.seed, engine=self.engine
        ).step

    def _new_search(self, schedule: Literal["alternate", "joint"] = "alternate", **options: Any) -> Search:
        settings = self.sizes.search().model_copy(update={"schedule": schedule})
        return Search(
            self.sizes.images(self.seed), settings, SpaceSettings(), seed=self.seed, engine=self.engine, **options
        )

    def _pixels(self, search: Search) -> Tensor:
        """All images of the search, float (N, C, H, W) in [−1, 1]."""
        return to_symmetric(torch.from_numpy(search.images.images)).to(self.engine.device)

    def adversarial_search(self) -> dict[str, dict[str, float]]:
        """Our search step against one with a critic instead of GLO: the cheapest objective, and the paper's."""
        ours, device = self._search(), self.engine.device
        critics: dict[str, Callable[[], object]] = {name: self._adversarial_search(name) for name in SEARCH_OBJECTIVES}
        times = self._time({"ours": ours, **critics})
        mib = peak_mib(ours, device)
        return {
            f"search_step_beside_{objective.replace('-', '_')}": {
                "ours_ms": times["ours"],
                "adversarial_ms": times[objective],
                "speedup": times[objective] / times["ours"],
                "ours_peak_mib": mib,
                "adversarial_peak_mib": peak_mib(call, device),
            }
            for objective, call in critics.items()
        }

    def _adversarial_search(self, objective: str) -> Callable[[], object]:
        settings = GanSettings(
            objective=objective,
            width=self.sizes.width,
            batch_images=self.sizes.batch_images,
            critic_steps=1 if objective == "sn-gan" else None,  # the cheapest; its authors take five
        )
        search = self._new_search(make_signal=partial(AdversarialSignal, gan=resolve_gan(settings)))
        return lambda: search.step(0)

    def adversarial_steps(self) -> dict[str, dict[str, float]]:
        """`critic_step` and `generator_step` of `ct-gan` on a drawn architecture, against a plain port of CT-GAN."""
        settings = resolve_gan(
            GanSettings(objective="ct-gan", width=self.sizes.width, batch_images=self.sizes.batch_images)
        )
        images = self.sizes.images(self.seed)
        steps = Steps(self._generator(), images, settings, seed=self.seed, engine=self.engine)
        plain = self._plain_ct_gan(settings, images)
        both = {
            "critic_step": {"ours": lambda: steps.critic_step(0, 0), "plain": plain.critic_step},
            "generator_step": {"ours": lambda: steps.generator_step(0), "plain": plain.generator_step},
        }
        found = {}
        for name, calls in both.items():
            times = self._time(calls)
            found[name] = {**_beside_plain(times), **self._roofline(calls["ours"], times["ours"])}
        return found

    def training_steps(self) -> dict[str, dict[str, float]]:
        """A whole training step of every registered objective on a drawn architecture, against its plainest form."""
        return {name: self._training_step(name) for name in OBJECTIVES}

    def _training_step(self, objective: str) -> dict[str, float]:
        ours = self._our_training_step(objective)
        images, settings = self.sizes.images(self.seed), self._gan(objective)
        plain = PlainStep(self._generator(), images, settings, seed=self.seed, engine=self.engine)
        times = self._time({"ours": ours, "plain": plain})
        peak = peak_mib(ours, self.engine.device)
        return {**_beside_plain(times), **self._roofline(ours, times["ours"]), "peak_mib": peak}

    def _our_training_step(self, objective: str) -> Callable[[], object]:
        images, settings = self.sizes.images(self.seed), self._gan(objective)
        return our_step(self._generator(), images, settings, seed=self.seed, engine=self.engine)

    def _gan(self, objective: str) -> CompleteGan:
        """Settings with batches of the same size for critic and generator."""
        num_images = self.sizes.batch_images
        return resolve_gan(
            GanSettings(
                objective=objective,
                width=self.sizes.width,
                batch_images=num_images,
                generator_batch_images=num_images,
            )
        )

    def _plain_ct_gan(self, settings: CompleteGan, images: ImageSet) -> PlainCtGan:
        assert isinstance(settings.own, CtGan)
        with forked_rng(self.seed, "plain critic"):
            critic = Critic(
                width=settings.width,
                channels=images.channels,
                image_size=images.image_size,
                dropout=settings.own.dropout,
            )
        reals = to_symmetric(torch.from_numpy(images.images[: settings.batch_images])).to(self.engine.device)
        device = self.engine.device
        return PlainCtGan(self._generator().to(device), critic.to(device), settings, reals, engine=self.engine)

    def sampling(self, num_images: int = 400) -> dict[str, float]:
        """`generator.sample`, against the same in NCHW memory and with up-sampling as defined."""
        ours = self.engine.prepare(self._generator())
        plain = self._generator().to(self.engine.device)
        assert isinstance(ours, Generator)
        plain_sample = as_defined()(lambda: plain.sample(num_images))
        ours_samples = partial(ours.sample, num_images)
        times = self._time({"ours": ours_samples, "plain": plain_sample})
        rate = {"images_per_second": num_images / times["ours"] * 1e3}
        return {**_beside_plain(times), **self._roofline(ours_samples, times["ours"]), **rate}

    def features(self) -> dict[str, dict[str, float]]:
        """`features` at 128 px and `features_224`: the offline extractor on one batch, against batch norms apart."""
        found = {}
        for name, size in (("features", 128), ("features_224", 224)):
            ours, plain = (self._extractor(size, folded) for folded in (True, False))
            times = self._time({"ours": ours, "plain": plain})
            rate = {"images_per_second": FORWARD_IMAGES / times["ours"] * 1e3}
            found[name] = {**_beside_plain(times), **self._roofline(ours, times["ours"]), **rate}
        return found

    def _extractor(self, resize_pixels: int, folded: bool) -> Callable[[], object]:
        make = partial(extraction, resize_pixels, folded=folded, seed=self.seed)
        return make(image_size=self.sizes.image_size, device=self.engine.device)

    def fid(self) -> dict[str, float]:
        """The Fréchet distance from given moments, against the eigenvalues of the product of the covariances."""
        calls = frechet_calls(self.seed)
        device = torch.device("cpu")
        return _beside_plain(
            interleaved_ms(calls, rounds=min(self.rounds, 3), warm_up=1, device=device, clock=self.clock)
        )

    def _roofline(self, call: Callable[[], object], milliseconds: float) -> dict[str, float]:
        best = roofline_ms(call, self.rates)
        return {"roofline_ms": best, "roofline_share": best / milliseconds}

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

    def _generator(self) -> Generator:
        return drawn_generator(self.sizes, self.seed)

    def _time(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        return interleaved_ms(calls, rounds=self.rounds, device=self.engine.device, clock=self.clock)


PARTS = ("search", "adversarial-search", "adversarial", "training", "sampling", "features", "fid")


def run_benchmark(
    sizes: Sizes,
    *,
    parts: Sequence[str] = PARTS,
    rounds: int = 9,
    growth: bool = False,
    seed: int = 0,
    clock: str = "wall",
    engine: Engine,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """The object that `degas benchmark --out FILE` writes: `machine`, `sizes`, and a key for each measurement.

    `precision` is the precision of both sides of each measurement.
    """
    bench = Benchmark(sizes, rounds=rounds, seed=seed, engine=engine, clock=clock)
    result: dict[str, Any] = {
        "machine": machine(command),
        "sizes": {**vars(sizes), "rounds": rounds, "seed": seed, "clock": clock},
        "precision": {},
    }
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "search": lambda: {"search_step": bench.search_step()},
        "adversarial-search": bench.adversarial_search,
        "adversarial": bench.adversarial_steps,
        "sampling": lambda: {"sampling": bench.sampling()},
        "training": lambda: {"training_step": bench.training_steps()},
        "features": bench.features,
        "fid": lambda: {"fid": bench.fid()},
        "graphs": bench.graphs,
        "communication": lambda: {"communication": communication(sizes, seed=seed)},
    }
    for part in parts:
        say(f"measuring: {part}")
        found = measures[part]()
        result.update(found)
        result["precision"] |= {name: ALWAYS.get(name, engine.precision) for name in found}
    if growth:
        say("measuring: growth")
        result["growth"] = bench.growth()
    return result


def machine(command: Sequence[str]) -> dict[str, Any]:
    """Versions, processor, threads and device, as in a run's environment.json."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment.json"
        write_environment(path, list(command))
        found: dict[str, Any] = json.loads(path.read_text())
    return found


def _beside_plain(times: dict[str, float]) -> dict[str, float]:
    return {"ours_ms": times["ours"], "plain_ms": times["plain"], "speedup": times["plain"] / times["ours"]}
