"""Comparison of generators made by hand: equal trainings with paired seeds.

Every (row, seed) is one trial. Rows of one seed share reals, noise and initial critic, so that differences are taken
within seeds. Trials go seed by seed, so that any prefix is a paired table; later calls may add seeds, and calls with
different seeds may run at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.fresh import fresh_generator
from degas.gan.settings import resolve_gan, training_rules
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.rng import forked_rng
from degas.settings.sections import EvaluateSettings, GanSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture
from degas_lab.trainings.adversarial import check_scored, train_and_score
from degas_lab.trainings.hand_made_plan import NOISE_SIZE, RESNET, RESNET_START, ROWS, Plan
from degas_lab.trainings.scorer import Scorer
from degas_lab.trials import Trials


class HandMade:
    """The measurement in `folder`: `trials/` holds `ROW-sSEED.json`."""

    def __init__(
        self,
        images: ImageSet,
        plan: Plan,
        folder: Path,
        scorer: Scorer,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        self.images, self.plan, self.scorer, self.engine, self.say = images, plan, scorer, engine, say
        self.gan = resolve_gan(plan.gan)
        if self.gan.supervised:
            raise UserError("--gan.supervised: this measurement trains without labels; leave it out")
        check_scored(self.gan)
        self.rows: dict[str, dict[str, Any]] = {}
        for given in dict.fromkeys(plan.rows):
            name, described = self._row(given)
            if name in self.rows:
                raise UserError(f"--rows: two have the name {name!r}; rename one of the files")
            self.rows[name] = described
        rules = training_rules(plan.gan, evaluate=EvaluateSettings())
        self.trials = Trials(folder / "trials", self._shared(), rules)

    def measure(self) -> None:
        """Make every missing trial, in order."""
        self.trials.make_ahead({f"{row}-s{seed}": partial(self._trial, row, seed) for row, seed in self.order()})
        for row, seed in self.order():
            record = self.trials.run(f"{row}-s{seed}", partial(self._trial, row, seed))
            if record["generator"] != self.rows[row]:
                raise UserError(
                    f"{self.trials.folder / f'{row}-s{seed}.json'}: is a trial of another generator than the current "
                    f"{row}; remove it, or give another --out"
                )
            self.say(f"{row:<24} seed {seed}  {_in_words(record)}")

    def order(self) -> Iterator[tuple[str, int]]:
        """Row and seed of every trial, in order: a whole seed before the next."""
        for seed in self.plan.seeds:
            for row in self.rows:
                yield row, seed

    def _row(self, given: str) -> tuple[str, dict[str, Any]]:
        """A row's name, and its generator as JSON values: `kind` or `architecture`, and `gan`, its changed settings."""
        if given == RESNET:
            return RESNET, {"kind": RESNET, "gan": {}}
        width = self.plan.gan.generator_width or self.plan.gan.width
        sizes = {"width": width, "noise_size": self.plan.gan.noise_size or NOISE_SIZE, "channels": self.images.channels}
        row = ROWS.get(given)
        if row is None:
            name, architecture, gan = self._file(given, **sizes)
        else:
            name, architecture, gan = given, row.architecture(self.images.image_size, **sizes), dict(row.gan)
        described = {key: value for key, value in architecture.to_dict().items() if key != "provenance"}
        return name, {"architecture": described, "gan": gan}

    def _file(self, given: str, **sizes: int) -> tuple[str, Architecture, dict[str, Any]]:
        """Name, architecture and changed settings of the row `FILE` or `FILE@resnet-start`."""
        file = given.removesuffix(RESNET_START)
        known = ROWS if file == given else ()  # rows by name have no other start
        architecture = load_architecture(file, known).for_image_size(self.images.image_size).resized(**sizes)
        if file == given:
            return Path(file).stem, architecture, {}
        return f"{Path(file).stem}-resnet-start", architecture, {"frame_start": "resnet"}

    def _trial(self, row: str, seed: int) -> dict[str, Any]:
        given = self.plan.gan.model_copy(update=self.rows[row]["gan"])
        gan = resolve_gan(given)
        record = train_and_score(
            self._generator(self.rows[row], given, seed),
            self.images,
            gan,
            self.scorer,
            marks=[max(1, round(share * gan.num_steps)) for share in self.plan.marks],
            unit="steps",
            seed=seed,
            engine=self.engine,
        )
        return {"row": row, "seed": seed, **record, "generator": self.rows[row]}

    def _generator(self, described: dict[str, Any], gan: GanSettings, seed: int) -> Generator:
        if "architecture" in described:
            return fresh_generator(Architecture.from_dict(described["architecture"]), gan, seed)
        graph, base_size = SpaceSettings().resolve(self.images.image_size)
        with forked_rng(seed, "generator weights"):
            return Generator.from_baseline(
                described["kind"],
                width=gan.generator_width or gan.width,
                noise_size=gan.noise_size or NOISE_SIZE,
                base_size=base_size,
                num_stages=graph.num_stages,
                channels=self.images.channels,
                sampling_bn=gan.sampling_bn,
            )

    def _shared(self) -> dict[str, Any]:
        """Return the settings that all trials share; rows and seeds may be added."""
        return {
            "data": self.images.identity,
            "gan": self.gan.as_config(),
            "marks": list(self.plan.marks),
            "evaluate": self.scorer.settings.model_dump(mode="json"),
        }


def _in_words(record: dict[str, Any]) -> str:
    if "failed" in record:
        return f"diverged: {record['failed'][:60]}"
    last = record["history"][-1]
    return f"Fréchet {last['fid']:.1f}  KID·1000 {1000 * last['kid']:.1f}  {record['processor_seconds']:.0f} core s"
