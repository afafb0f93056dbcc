"""The comparison of objectives: which one makes the better generator in equal time?

Each objective trains the same generator against critics of equal width for equal seconds, without counting scoring. Two
stages. *Tuning*, equal for all: each learning rate × each number of critic steps for a short time with one seed; the
choice with the best score is taken. *Runs*: the chosen settings with several seeds, scored at a few times.

Rates do not decay (a decay needs a number of steps, which differs between objectives at equal time), and the averaged
generator is scored, for all objectives. Every training is a trial; the summary uses only the trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.fresh import NOISE_SIZE, fresh_generator, registered_sizes
from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import CompleteGan, resolve_gan
from degas.generator.generator import Generator
from degas.nets.baselines import ResnetGenerator
from degas.nets.cost import count_parameters
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas_lab.trainings.adversarial import Score, train_and_score
from degas_lab.trainings.objectives_plan import Plan
from degas_lab.trainings.scorer import Scorer
from degas_lab.trials import Make, Trials

MAX_WIDTH = 2048


@dataclass(frozen=True)
class Choice:
    """Settings of one objective: the generator's rate and the critic steps per generator step."""

    objective: str
    rate: float
    critic_steps: int

    @property
    def name(self) -> str:
        return f"{self.objective}-lr{self.rate:g}-c{self.critic_steps}"

    def settings(self, plan: Plan) -> CompleteGan:
        own = OBJECTIVES.find(self.objective, "--objectives")()
        return resolve_gan(
            GanSettings(
                objective=self.objective,
                width=plan.critic_width,
                batch_images=plan.batch_images,
                generator_batch_images=plan.generator_batch_images,
                critic_steps=self.critic_steps,
                generator_lr=self.rate,
                critic_lr=self.rate * own.critic_lr / own.generator_lr,
                lr_decay="none",
            )
        )


class Objectives:
    """The measurement in `folder`: `tune-OBJECTIVE/` and `runs/` hold the trials."""

    def __init__(
        self,
        images: ImageSet,
        plan: Plan,
        folder: Path,
        scorer: Scorer,
        *,
        engine: Engine,
        architecture: Architecture | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.images, self.plan, self.folder, self.scorer = images, plan, folder, scorer
        self.engine, self.architecture, self.say = engine, architecture, say
        self.objectives = objectives_of(plan)
        shared = self._shared()
        tuned = {**shared, "minutes": plan.tune_minutes, "num_samples": plan.tune_samples, "seed": plan.seed}
        self.tuning = {name: Trials(folder / f"tune-{name}", tuned) for name in self.objectives}
        marks = [share * plan.minutes for share in plan.marks]
        run = {**shared, "minutes": marks, "num_samples": scorer.settings.num_samples}
        self.runs = Trials(folder / "runs", run)

    def measure(self) -> None:
        """Make every unfinished trial: all tuning, then the runs, seed by seed."""
        for objective in self.objectives:
            trials = self.tuning[objective]
            trials.make_ahead({one.name: partial(self._tune, one) for one in self.tuned(objective)})
        for objective in self.objectives:
            for choice in self.tuned(objective):
                self._tell(self.tuning[objective].run(choice.name, partial(self._tune, choice)))
        runs = dict(self.planned_runs())
        self.runs.make_ahead(runs)
        for name, make in runs.items():
            self._tell(self.runs.run(name, make))

    def planned_runs(self) -> Iterator[tuple[str, Make]]:
        """Name and maker of every run, seed by seed, of the objectives whose tuning is complete."""
        for seed in range(self.plan.seed, self.plan.seed + self.plan.seeds):
            for objective in self.objectives:
                best = self.chosen(objective)
                if best is not None:
                    yield f"{best.name}-s{seed}", partial(self._run, best, seed)

    def grid(self, objective: str) -> Iterator[Choice]:
        """Every choice that the plan allows, in order."""
        for rate in self.plan.rates:
            for critic_steps in self.plan.critic_steps:
                yield Choice(objective, rate, critic_steps)

    def tuned(self, objective: str) -> list[Choice]:
        """Return the choices for the tuning: the grid, or none if it has a single choice."""
        choices = list(self.grid(objective))
        return choices if len(choices) > 1 else []

    def chosen(self, objective: str) -> Choice | None:
        """The best of the grid; None while a trial is missing, or if all diverged."""
        records = self.tuning[objective].records()
        wanted = {choice.name: choice for choice in self.tuned(objective)}
        if not wanted:
            return next(self.grid(objective))
        if not set(wanted) <= set(records):
            return None
        scores = {name: final_score(records[name], self.plan.tune_by) for name in wanted}
        known = {name: score for name, score in scores.items() if score is not None}
        return wanted[min(known, key=lambda name: known[name])] if known else None

    def results(self) -> dict[str, dict[str, Any]]:
        """Objective → `choice`, `tuning` (records by name) and `runs` (records of the choice, by seed)."""
        found: dict[str, dict[str, Any]] = {}
        runs = self.runs.records()
        for objective in self.objectives:
            choice = self.chosen(objective)
            mine = [record for record in runs.values() if choice is not None and record["choice"] == choice.name]
            found[objective] = {
                "choice": None if choice is None else vars(choice),
                "tuning": self.tuning[objective].records(),
                "runs": sorted(mine, key=lambda record: record["seed"]),
            }
        return found

    def _tune(self, choice: Choice) -> dict[str, Any]:
        score: Score = lambda generator: self.scorer.scores(generator, self.plan.tune_samples)  # noqa: E731
        return self._train(choice, self.plan.seed, [60 * self.plan.tune_minutes], score)

    def _run(self, choice: Choice, seed: int) -> dict[str, Any]:
        marks = [60 * share * self.plan.minutes for share in self.plan.marks]
        return self._train(choice, seed, marks, self.scorer)

    def _train(self, choice: Choice, seed: int, marks: Sequence[float], score: Score) -> dict[str, Any]:
        settings = choice.settings(self.plan)
        generator = self._generator(settings, seed)
        record = train_and_score(
            generator,
            self.images,
            settings,
            score,
            marks=marks,
            unit="seconds",
            seed=seed,
            engine=self.engine,
            clock=self.plan.clock,
        )
        gan = settings.as_config()
        return {"choice": choice.name, "objective": choice.objective, "seed": seed, **record, "gan": gan}

    def _generator(self, settings: CompleteGan, seed: int) -> Generator:
        if self.architecture is not None:
            return fresh_generator(self.architecture, settings, seed)
        sizes = registered_sizes(self.images, SpaceSettings(), width=1, noise_size=NOISE_SIZE)
        frame = {name: sizes[name] for name in ("base_size", "num_stages", "channels")}
        sizes["width"] = resnet_width(self.plan.num_parameters, **frame)
        return fresh_generator("resnet", settings, seed, sizes)

    def _shared(self) -> dict[str, Any]:
        """Return the settings that all trials share; later calls may add seeds and grid values."""
        plan, images = self.plan, self.images
        generator: dict[str, Any] = {"resnet": plan.num_parameters}
        if self.architecture is not None:
            generator = {k: v for k, v in self.architecture.to_dict().items() if k != "provenance"}
            generator["image_gain"] = GanSettings().image_gain
        return {
            "data": images.identity,
            "generator": generator,
            "critic_width": plan.critic_width,
            "batch_images": plan.batch_images,
            "generator_batch_images": plan.generator_batch_images,
            "clock": plan.clock,
            "evaluate": self.scorer.settings.model_dump(mode="json", exclude={"num_samples"}),
        }

    def _tell(self, record: dict[str, Any]) -> None:
        words = f"{record['choice']:<24} seed {record['seed']}  {record['steps']:>6,} steps"
        if "failed" in record:
            self.say(f"{words}  diverged: {record['failed'][:60]}")
        else:
            last = record["history"][-1]
            self.say(f"{words}  {last['seconds']:.0f} s  FID {last['fid']:.1f}  KID·1000 {1000 * last['kid']:.1f}")


def objectives_of(plan: Plan) -> tuple[str, ...]:
    """The objectives to measure, all by default. Raises `UserError` for an unknown one."""
    for name in plan.objectives:
        OBJECTIVES.find(name, "--objectives")
    return plan.objectives or tuple(OBJECTIVES)


def final_score(record: dict[str, Any], metric: str) -> float | None:
    """A trial's score at its last mark; None if it diverged."""
    return None if "failed" in record else float(record["history"][-1][metric])


def resnet_width(num_parameters: int, *, base_size: int, num_stages: int, channels: int) -> int:
    """The width at which `resnet` is closest to `num_parameters`; the narrower of two equally close ones.

    Raises `UserError` if even one channel has more than twice as many.
    """

    def count(width: int) -> int:
        sizes = {"base_size": base_size, "num_stages": num_stages, "channels": channels}
        with torch.device("meta"):
            return count_parameters(ResnetGenerator(width=width, noise_size=NOISE_SIZE, **sizes))

    if count(1) > 2 * num_parameters:
        raise UserError(f"--num-parameters: the narrowest resnet has {count(1):,}; give at least that many")
    low, high = 1, 2
    while count(high) < num_parameters and high < MAX_WIDTH:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < num_parameters else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - num_parameters))
