"""One training of the contest or its verdict: an architecture or a baseline, with a seed and a number of steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.fresh import fresh_generator
from degas.gan.settings import CompleteGan, resolve_gan, training_rules
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.rng import forked_rng
from degas.settings.sections import EvaluateSettings
from degas.space.architecture import Architecture
from degas_lab.contest import equal_time
from degas_lab.contest.claims import CLAIMS, alone, claimed
from degas_lab.contest.plan import FIRST_NEW_SEED, Plan
from degas_lab.contest.scores import trial_name
from degas_lab.trainings.adversarial import check_scored, train_and_score
from degas_lab.trainings.scorer import Scorer
from degas_lab.trials import Make, Trials

Described = Mapping[str, Any]  # a generator as JSON values: {"architecture": …}, or {"kind": …} with its sizes


class Trainer:
    """Trains into `folder`: NAME-sSEED.json, and the checkpoints of trainings that may continue."""

    def __init__(
        self,
        images: ImageSet,
        plan: Plan,
        folder: Path,
        scorer: Scorer,
        *,
        shared: Mapping[str, Any],
        engine: Engine,
        say: Callable[[str], None],
    ) -> None:
        self.images, self.plan, self.folder, self.scorer = images, plan, folder, scorer
        self.engine, self.say, self.schedule = engine, say, plan.schedule
        self.gan: CompleteGan = resolve_gan(plan.gan)
        if self.gan.supervised:
            raise UserError("--gan.supervised: a contest trains without labels; leave it out")
        check_scored(self.gan)
        rules = training_rules(plan.gan, evaluate=EvaluateSettings())
        self.protocol = {
            "data": images.identity,
            "gan": self.gan.as_config(),
            "evaluate": scorer.settings.model_dump(mode="json"),
            **shared,
        }
        with alone(folder):
            self.trials = Trials(folder, self.protocol, rules)

    def train(self, name: str, described: Described, seed: int, steps: int) -> bool:
        """Make the trial, unless it exists or another process works on it (then return False)."""
        trial = trial_name(name, seed)
        with claimed(self.folder / CLAIMS / trial) as mine:
            if not mine:
                return False
            record = self.trials.run(
                trial, partial(self._trial, trial, described, seed, steps), lambda known: reaches(known, steps)
            )
            if record["generator"] != described:
                raise UserError(
                    f"{self.folder / trial}.json: is a trial of another generator than the current {name}; remove it, "
                    "or give another --out"
                )
            if "failed" in record or record["steps"] >= self.schedule.steps:
                self.forget(trial)
            self.say(f"{trial:<24} {_in_words(record)}")
        return True

    def make_ahead(self, wanted: Sequence[tuple[str, Described, int, int]]) -> None:
        """Make these trials (name, generator, seed, steps) side by side, if the command asks for it."""
        makers = {
            trial_name(name, seed): (steps, partial(self._trial, trial_name(name, seed), described, seed, steps))
            for name, described, seed, steps in wanted
        }
        train_ahead(self.trials, makers)

    def forget(self, trial: str) -> None:
        """Remove the checkpoints of a trial that will not continue."""
        shutil.rmtree(self.folder / trial, ignore_errors=True)

    def _trial(self, trial: str, described: Described, seed: int, steps: int) -> dict[str, Any]:
        """Train; rates fall over all steps of the schedule, in every rung."""
        marks = equal_time.marks(steps) if seed >= FIRST_NEW_SEED else [steps]
        if seed == self.schedule.seeds[0] and steps > self.schedule.first_steps:  # it may have begun in the first rung
            marks = [self.schedule.first_steps, steps]
        record = train_and_score(
            build(described, self.plan, seed),
            self.images,
            self.gan,
            self.scorer,
            marks=marks,
            unit="steps",
            seed=seed,
            engine=self.engine,
            checkpoint=self.folder / trial / "checkpoints",
        )
        return {"seed": seed, **record, "generator": described}


def train_ahead(trials: Trials, wanted: Mapping[str, tuple[int, Make]]) -> None:
    """Make trials side by side, if the command asks for it: name → the steps to reach, and what makes the record.

    A trial that another process of the contest works on is waited for.
    """

    def is_enough(name: str, record: Mapping[str, Any]) -> bool:
        return reaches(record, wanted[name][0])

    def make(name: str) -> dict[str, Any]:
        with alone(trials.folder / CLAIMS / name):
            return trials.known(name, partial(is_enough, name)) or wanted[name][1]()

    trials.make_ahead({name: partial(make, name) for name in wanted}, is_enough)


def reaches(record: Mapping[str, Any], steps: int) -> bool:
    """Return whether a trial has reached `steps`, or ended before."""
    return "failed" in record or record["steps"] >= steps


def describe_architecture(architecture: Architecture) -> dict[str, Any]:
    """Return JSON values, without the provenance."""
    return {"architecture": {key: value for key, value in architecture.to_dict().items() if key != "provenance"}}


def build(described: Described, plan: Plan, seed: int) -> Generator:
    """The generator with weights drawn from `seed`, as in `degas train`."""
    if "architecture" in described:
        return fresh_generator(Architecture.from_dict(described["architecture"]), plan.gan, seed)
    sizes = {name: value for name, value in described.items() if name != "kind"}
    with forked_rng(seed, "generator weights"):
        return Generator.from_baseline(described["kind"], **sizes, sampling_bn=plan.gan.sampling_bn)


def baseline_like(kind: str, architecture: Architecture, num_parameters: int) -> dict[str, Any]:
    """A baseline with the architecture's sizes, at the width closest to `num_parameters`."""
    sizes = {name: getattr(architecture, name) for name in ("noise_size", "base_size", "num_stages", "channels")}

    def count(width: int) -> int:
        with forked_rng(0, "sizes"):
            return Generator.from_baseline(kind, width=width, **sizes).num_parameters

    low, high = 1, 2
    while count(high) < num_parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < num_parameters else (low, middle)
    width = min((low, high), key=lambda width: abs(count(width) - num_parameters))
    return {"kind": kind, "width": width, **sizes}


def _in_words(record: Mapping[str, Any]) -> str:
    if "failed" in record:
        return f"diverged: {record['failed'][:60]}"
    last = record["history"][-1]
    scores = f"Fréchet {last['fid']:.1f}  KID·1000 {1000 * last['kid']:.1f}"
    return f"step {last['steps']:>6}  {scores}  {record['processor_seconds']:.0f} core s"
