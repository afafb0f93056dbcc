"""A test of the paper's assumption: does a generator that reconstructs well also train well in a GAN?

Drawn architectures, some of equal size and the others of all sizes, are trained adversarially under equal conditions
and scored. The candidates for a search signal are measured on the same architectures: the standalone GLO loss in
several forms, that of held-out images, a short adversarial training, and the trivial ones, parameters and
multiply-adds. Each (part, architecture, seed) is one trial. A whole seed comes before the next, so that any prefix is
useful.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.fresh import fresh_generator
from degas.gan.settings import CompleteGan
from degas.nas.glo.standalone import fit_alone, fit_settings
from degas.nets.cost import architecture_cost
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge
from degas_lab.fits.feature_term import FeatureTerm, feature_term, fit_with_features
from degas_lab.fits.held_out import fit_held_out
from degas_lab.trainings.adversarial import check_scored, train_and_score
from degas_lab.trainings.rank_plan import Plan
from degas_lab.trainings.scorer import Scorer
from degas_lab.trials import Trials

ADVERSARIAL = "adversarial"
GLO = {"glo-l2": "l2", "glo-l2-lap1": "l2-lap1"}  # predictor → reconstruction loss
HELD_OUT, PROXY = "held-out", "proxy"
FEATURES = "glo-features"
PREDICTORS = (*GLO, HELD_OUT, PROXY)
DEAR = (FEATURES,)  # needs the ImageNet network in every step, so it is made only on request by name
ALL_PREDICTORS = (*PREDICTORS, *DEAR)
PROXY_SEED = 1000  # added to a proxy's seed: it must not be the beginning of the training that it predicts
POOL_DRAWS = 1000  # draws from which the architectures are chosen
TOLERANCE = 0.1


@dataclass(frozen=True)
class RankedArchitecture:
    """An architecture with its name and group, `equal` or `any`."""

    name: str
    group: str
    architecture: Architecture


class RankCorrelation:
    """The measurement in `folder`: `trials/` holds `PART-ARCHITECTURE-sSEED.json`.

    `gan` is complete (`gan.settings.resolve_gan`); `pattern` gives the sizes of every architecture.
    """

    def __init__(
        self,
        images: ImageSet,
        pattern: Architecture,
        gan: CompleteGan,
        search: SearchSettings,
        plan: Plan,
        folder: Path,
        scorer: Scorer,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        check_scored(gan)
        self.images, self.gan, self.search, self.plan = images, gan, search, plan
        self.scorer, self.engine, self.say = scorer, engine, say
        self._feature_term: FeatureTerm | None = None
        self.contestants = contestants(pattern, plan)
        self.trials = Trials(folder / "trials", self._shared(pattern))

    def measure(self, parts: Sequence[str]) -> None:
        """Make every missing trial of `parts` (of `adversarial` and the predictors), seed by seed, part by part."""
        makers = {f"{p}-{one.name}-s{seed}": partial(self._trial, p, one, seed) for p, one, seed in self.order(parts)}
        self.trials.make_ahead(makers)
        for name, make in makers.items():
            record = self.trials.run(name, make)
            value = record["value"]
            shown = "diverged" if value is None else f"{value:.5g}"
            self.say(f"{name:<28} {shown:<10} {record['seconds']:.0f} s")

    def order(self, parts: Sequence[str]) -> Iterator[tuple[str, RankedArchitecture, int]]:
        """Part, architecture and seed of every trial, in order."""
        for seed in range(self.plan.seed, self.plan.seed + self.plan.seeds):
            for part in (ADVERSARIAL, *ALL_PREDICTORS):
                if part in parts:
                    for contestant in self.contestants:
                        yield part, contestant, seed

    def _trial(self, part: str, contestant: RankedArchitecture, seed: int) -> dict[str, Any]:
        """A record with `value` (lower is better; None for a diverged training or fit) and the part's own entries."""
        begun = time.perf_counter(), time.process_time()
        try:
            found = self._measured(part, contestant.architecture, seed)
        except NonFiniteError as error:
            found = {"value": None, "failed": str(error)}
        seconds = {"seconds": time.perf_counter() - begun[0], "processor_seconds": time.process_time() - begun[1]}
        names = {"part": part, "architecture": contestant.name, "group": contestant.group, "seed": seed}
        cost = vars(architecture_cost(contestant.architecture))
        return {**names, **seconds, **found, **cost, "nodes": contestant.architecture.to_dict()["nodes"]}

    def _measured(self, part: str, architecture: Architecture, seed: int) -> dict[str, Any]:
        if part == ADVERSARIAL:
            return self._train(architecture, seed, self.plan.marks)
        if part == PROXY:
            return self._train(architecture, seed + PROXY_SEED, (self.plan.proxy_share,))
        options: dict[str, Any] = {"seed": seed, "num_epochs": self.plan.num_epochs, "engine": self.engine}
        if part == HELD_OUT:
            return {"value": fit_held_out(architecture, self.images, self.search, **options)}
        if part == FEATURES:
            settings = self.search.model_copy(update={"loss": "l2-lap1"})
            return {"value": fit_with_features(architecture, self.images, settings, self._term(), **options)}
        settings = self.search.model_copy(update={"loss": GLO[part]})
        return {"value": fit_alone(architecture, self.images, settings, **options)}

    def _term(self) -> FeatureTerm:
        if self._feature_term is None:
            self._feature_term = feature_term(self.engine.device)
        return self._feature_term

    def _train(self, architecture: Architecture, seed: int, shares: Sequence[float]) -> dict[str, Any]:
        """`value` is the KID of the last mark."""
        record = train_and_score(
            fresh_generator(architecture, self.gan, seed),
            self.images,
            self.gan,
            self.scorer,
            marks=[max(1, round(share * self.gan.num_steps)) for share in shares],
            unit="steps",
            seed=seed,
            engine=self.engine,
        )
        spent = {"training_seconds": record.pop("seconds"), "training_processor": record.pop("processor_seconds")}
        value = None if "failed" in record else record["history"][-1]["kid"]
        return {"value": value, **spent, **record}

    def _shared(self, pattern: Architecture) -> dict[str, Any]:
        """Return the settings that all trials share; later calls may add seeds, predictors and architectures."""
        plan, images = self.plan, self.images
        names = ("num_architectures", "num_equal", "equal_parameters", "seed", "num_epochs", "proxy_share", "marks")
        sizes = {k: v for k, v in pattern.to_dict().items() if k not in ("nodes", "provenance")}
        fixed = {name: getattr(plan, name) for name in names}
        search = {name: value for name, value in fit_settings(self.search).items() if name != "loss"}
        return {
            "data": images.identity,
            "sizes": sizes,
            "gan": self.gan.as_config(),
            "search": {**search, "held_out_fraction": self.search.held_out_fraction},
            "evaluate": self.scorer.settings.model_dump(mode="json"),
            "plan": {**fixed, "marks": list(plan.marks)},
        }


def contestants(pattern: Architecture, plan: Plan) -> list[RankedArchitecture]:
    """The architectures, the two groups in turn, so that a prefix contains both.

    `equal`: the first draws within 10 % of `equal_parameters`. `any`: out of many draws, those with sizes nearest to
    points spread evenly on the logarithmic axis between the smallest and the largest draw.
    """
    pool = _pool(pattern, plan.seed)
    sizes = [architecture_cost(replace(pattern, edges=edges)).num_parameters for edges in pool]
    equal = _equal(sizes, plan)
    spread = _spread(sizes, plan.num_any, taken=set(equal))
    groups = {"equal": equal, "any": spread}
    named = [
        (k, RankedArchitecture(f"{group}{k:02d}", group, replace(pattern, edges=pool[row], provenance={})))
        for group, rows in groups.items()
        for k, row in enumerate(rows)
    ]
    return [contestant for _, contestant in sorted(named, key=lambda item: item[0])]


def _pool(pattern: Architecture, seed: int) -> list[tuple[Edge, ...]]:
    """Distinct uniform draws."""
    draws = (pattern.graph.draw(POOL_DRAWS * seed + k) for k in range(POOL_DRAWS))
    return list(dict.fromkeys(draws))


def _equal(sizes: Sequence[int], plan: Plan) -> list[int]:
    target = plan.equal_parameters or statistics.median(sizes)
    near = [row for row, size in enumerate(sizes) if abs(size - target) <= TOLERANCE * target]
    if len(near) < plan.num_equal:
        raise UserError(
            f"--num-equal: of {len(sizes)} draws only {len(near)} have {target:,.0f} parameters ± {TOLERANCE:.0%}; "
            "lower it, or choose another --equal-parameters"
        )
    return near[: plan.num_equal]


def _spread(sizes: Sequence[int], count: int, taken: set[int]) -> list[int]:
    """Rows with sizes spread over the logarithmic axis, in an order that covers it early (ends first)."""
    free = [row for row in range(len(sizes)) if row not in taken]
    if count > len(free):
        raise UserError(f"--num-architectures: the space gave only {len(free)} other draws; lower it")
    low, high = math.log(min(sizes)), math.log(max(sizes))
    rows: list[int] = []
    for k in range(count):
        goal = low + (high - low) * (k / (count - 1) if count > 1 else 0.5)
        row = min((row for row in free if row not in rows), key=lambda row: abs(math.log(sizes[row]) - goal))
        rows.append(row)
    order = sorted(range(count), key=_covering)
    return [rows[k] for k in order]


def _covering(number: int) -> float:
    """Van der Corput's sequence: sorting by it spreads any prefix over the whole range."""
    value, place = 0.0, 0.5
    while number:
        value, number, place = value + place * (number & 1), number >> 1, place / 2
    return value
