"""What all parts of `degas benchmark` share: sizes, interleaved times, the roofline, a drawn generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.rng import forked_rng
from degas.settings.sections import SpaceSettings
from degas.space.architecture import Architecture
from degas_lab.sizes import Sizes
from degas_lab.speed.roofline import Rates, roofline_ms
from degas_lab.speed.timing import CLOCKS, interleaved_ms


class Bench:
    """One size on one device. The parts derive from it; each of their methods returns an object of the JSON file."""

    def __init__(self, sizes: Sizes, *, rounds: int, seed: int, engine: Engine, clock: str = "wall") -> None:
        self.sizes, self.rounds, self.seed, self.engine = sizes, rounds, seed, engine
        self.clock = CLOCKS[clock]
        self.rates = Rates(engine.device, self.clock)

    def _roofline(self, call: Callable[[], object], milliseconds: float) -> dict[str, float]:
        best = roofline_ms(call, self.rates)
        return {"roofline_ms": best, "roofline_share": best / milliseconds}

    def _generator(self) -> Generator:
        return drawn_generator(self.sizes, self.seed)

    def _time(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        return interleaved_ms(calls, rounds=self.rounds, device=self.engine.device, clock=self.clock)


def drawn_generator(sizes: Sizes, seed: int) -> Generator:
    """The generator of an architecture drawn from `seed`, at these sizes."""
    space, base_size = SpaceSettings().resolve(sizes.image_size)
    shape = (space.num_stages, space.num_normal, base_size, sizes.width, sizes.noise_size, sizes.channels)
    with forked_rng(seed, "benchmark generator"):
        return Generator.from_architecture(Architecture(*shape, space.draw(seed)))


def beside_plain(times: dict[str, float]) -> dict[str, float]:
    return {"ours_ms": times["ours"], "plain_ms": times["plain"], "speedup": times["plain"] / times["ours"]}
