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
from degas.evaluation.extractors.imagenet import ImagenetExtractor
from degas.evaluation.metrics import frechet_distance
from degas.evaluation.statistics import FORWARD_IMAGES
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
from degas.space.architecture import Architecture
from degas_lab.sizes import Sizes
from degas_lab.speed.adversarial_search import AdversarialSignal
from degas_lab.speed.graphs import as_graphs
from degas_lab.speed.roofline import roofline_ms
from degas_lab.speed.textbook_steps import PlainCtGan, TextbookSearch
from degas_lab.speed.timing import CLOCKS, interleaved_ms, peak_mib

NUM_FEATURES = 1280  # of the offline extractor, for the Fréchet distance
SEARCH_OBJECTIVES: tuple[str, ...] = ("sn-gan", "ct-gan")
# Both sides of these compute in a fixed precision; both sides of the others in the engine's precision.
ALWAYS = {"sampling": "float32", "features": "float32", "fid": "float64"}
GROWTH = {"width": (16, 32, 64), "image_size": (16, 32, 64), "batch_images": (16, 64, 128), "num_images": (256, 4096)}


class Benchmark:
    """All measurements at one size on one device; each method returns the object of its key in the JSON file."""

    def __init__(self, sizes: Sizes, *, rounds: int, seed: int, engine: Engine, clock: str = "wall") -> None:
        self.sizes, self.rounds, self.seed, self.engine = sizes, rounds, seed, engine
        self.clock = CLOCKS[clock]

    def search_step(self) -> dict[str, float]:
        """One update of weights and latents and one of α, as in `degas search --search.schedule alternate`.

        `joint_ms` is the default step, one backward pass for all; the textbook has none.
        """
        ours, textbook, joint = self._search(), self._textbook_search(), self._search("joint")
        device = self.engine.device
        times = self._time({"ours": ours, "textbook": textbook, "joint": joint})
        best = roofline_ms(ours, device, self.clock)
        return {
            "ours_ms": times["ours"],
            "textbook_ms": times["textbook"],
            "speedup": times["textbook"] / times["ours"],
            "roofline_ms": best,
            "roofline_share": best / times["ours"],
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
        return {name: _beside_plain(self._time(calls)) for name, calls in both.items()}

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
        times = self._time({"ours": lambda: ours.sample(num_images), "plain": plain_sample})
        return {**_beside_plain(times), "images_per_second": num_images / times["ours"] * 1e3}

    def features(self) -> dict[str, float]:
        """The offline extractor on one batch, untrained, which does not affect speed."""
        with forked_rng(self.seed, "benchmark extractor"):
            extractor = ImagenetExtractor(trained=False)
        extractor.to(self.engine.device).eval()
        shape = (FORWARD_IMAGES, 3, self.sizes.image_size, self.sizes.image_size)
        random = torch.Generator().manual_seed(self.seed)
        images = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8).to(self.engine.device)

        def run() -> None:
            with torch.inference_mode():
                extractor(images)

        milliseconds = self._time({"ours": run})["ours"]
        return {"ours_ms": milliseconds, "images_per_second": FORWARD_IMAGES / milliseconds * 1e3}

    def fid(self) -> dict[str, float]:
        """The Fréchet distance from given moments, against the eigenvalues of the product of the covariances."""
        parts = _gaussians(NUM_FEATURES, self.seed)

        def plain() -> float:
            mean_a, cov_a, mean_b, cov_b = parts
            trace = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
            return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace)

        calls = {"ours": lambda: frechet_distance(*parts), "plain": plain}
        device = torch.device("cpu")
        return _beside_plain(
            interleaved_ms(calls, rounds=min(self.rounds, 3), warm_up=1, device=device, clock=self.clock)
        )

    def growth(self) -> dict[str, list[dict[str, float]]]:
        """Our search step over each of width, image size, batch and number of images, with the others fixed."""
        curves: dict[str, list[dict[str, float]]] = {}
        for name, values in GROWTH.items():
            for value in values:
                smaller = Benchmark(
                    replace(self.sizes, **{name: value}), rounds=self.rounds, seed=self.seed, engine=self.engine
                )
                smaller.clock = self.clock
                call = smaller._search()
                point = {name: value, "ours_ms": self._time({"ours": call})["ours"]}
                curves.setdefault(name, []).append({**point, "ours_peak_mib": peak_mib(call, self.engine.device)})
        return curves

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
        space, base_size = SpaceSettings().resolve(self.sizes.image_size)
        architecture = Architecture(
            space.num_stages,
            space.num_normal,
            base_size,
            self.sizes.width,
            self.sizes.noise_size,
            self.sizes.channels,
            space.draw(self.seed),
        )
        with forked_rng(self.seed, "benchmark generator"):
            return Generator.from_architecture(architecture)

    def _time(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        return interleaved_ms(calls, rounds=self.rounds, device=self.engine.device, clock=self.clock)


PARTS = ("search", "adversarial-search", "adversarial", "sampling", "features", "fid")


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
        "features": lambda: {"features": bench.features()},
        "fid": lambda: {"fid": bench.fid()},
        "graphs": bench.graphs,
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


def _gaussians(num_features: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean and covariance of two sets of correlated features, float64."""
    random = torch.Generator().manual_seed(seed)
    parts: list[Tensor] = []
    for _ in range(2):
        rows = torch.randn(3 * num_features, num_features, generator=random, dtype=torch.float64)
        parts += [rows.mean(0), rows.T.cov()]
    return parts[0], parts[1], parts[2], parts[3]
