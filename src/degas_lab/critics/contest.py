"""The contest of critics in a folder: a critic is judged by the scores of the generators that train against it.

    config.json       environment.json          candidates.json   the critics
    paces.json        seconds of a step against each critic, measured once, and its number of steps
    trials/           one JSON file a training   rungs.json        promotions
    critic.json       the winner                 verdict.json      on seeds that chose nothing

Everything but paces.json and trials/ is a function of those two. The same command continues a stopped contest, and may
run several times at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.gan.checks import check_generator, check_training
from degas.gan.fresh import chosen_generator
from degas.gan.settings import CompleteGan, resolve_gan, training_rules
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.json_files import read_object, write_json
from degas.settings.sections import EvaluateSettings, SpaceSettings
from degas.space.critic import CriticLayout
from degas_lab.contest.claims import CLAIMS, alone, claimed, make_all
from degas_lab.contest.plan import FIRST_NEW_SEED
from degas_lab.contest.rungs import Wanted
from degas_lab.contest.scores import trial_name
from degas_lab.contest.trainer import reaches, train_ahead
from degas_lab.critics.candidates import REFERENCE, candidates
from degas_lab.critics.contest_plan import Plan
from degas_lab.critics.paces import equal_time_steps, paces
from degas_lab.critics.rungs import CriticOutcome, critic_verdict, decide, steps_in
from degas_lab.trainings.adversarial import check_scored, train_and_score
from degas_lab.trainings.scorer import Scorer
from degas_lab.trials import Trials


class CriticContest:
    """The contest in `folder`, on `images`, for the generator `architecture` (a file, a name, or a registered one)."""

    def __init__(
        self,
        images: ImageSet,
        architecture: str,
        critics: tuple[str, ...],
        plan: Plan,
        folder: Path,
        scorer: Scorer,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        self.images, self.architecture, self.plan, self.folder = images, architecture, plan, folder
        self.scorer, self.engine, self.say, self.schedule = scorer, engine, say, plan.schedule
        chosen = {"number": plan.num_candidates, "num_normal": plan.num_normal, "seed": plan.seed}
        self.candidates = {one.name: one for one in candidates(critics, images.image_size, **chosen)}
        self.gan = resolve_gan(plan.gan)
        check_scored(self.gan)
        check_training(self.gan, images, engine.device)
        generator = self._generator(0)
        check_generator(generator, images, self.gan)
        self.protocol = self._protocol(generator)
        rules = training_rules(plan.gan, evaluate=EvaluateSettings())
        with alone(folder):
            self.trials = Trials(folder / "trials", self.protocol, rules)
            write_json(folder / "config.json", {"kind": "critic-contest", **self.protocol})
            self.steps = self._steps()

    def run(self) -> CriticOutcome:
        """Train until there is a winner; write each decision at once."""
        while True:
            outcome = decide(self.steps, self.trials.records(), self.schedule)
            self._write(outcome)
            if not outcome.wanted:
                return outcome
            self.say(f"rung {len(outcome.rungs) + 1}: {len(outcome.wanted)} trainings")
            self._train_all(outcome.wanted)

    def judge(self, outcome: CriticOutcome, num_seeds: int) -> dict[str, Any]:
        """Compare the winner with the default critic on new seeds; write and return verdict.json."""
        assert outcome.winner is not None
        others = [] if outcome.winner == REFERENCE else [REFERENCE]
        seeds = tuple(range(FIRST_NEW_SEED, FIRST_NEW_SEED + num_seeds))
        if others:
            names = (outcome.winner, *others)
            self._train_all([Wanted(name, seed, self.steps[name]) for seed in seeds for name in names])
        found = critic_verdict(self.trials.records(), outcome.winner, others, self.steps, seeds)
        with alone(self.folder):
            write_json(self.folder / "verdict.json", found)
        return found

    def _steps(self) -> dict[str, int]:
        """Each critic's number of steps, measured once and read from paces.json afterwards."""
        path = self.folder / "paces.json"
        if not path.exists():
            self.say(f"a few steps against each of {len(self.candidates)} critics, for their times")
            trainings = {
                name: Steps(self._generator(0), self.images, self._settings(name, 100), seed=0, engine=self.engine)
                for name in self.candidates
            }
            found = paces(trainings)
            steps = equal_time_steps(found, REFERENCE, self.schedule.steps)
            write_json(path, {name: {"seconds": found[name], "steps": steps[name]} for name in found})
        again = "remove it, and the same command measures the times again"
        known = read_object(path, missing=f"{path}: is gone; start the command again", advice=again)
        return {name: int(known[name]["steps"]) for name in self.candidates}

    def _train_all(self, wanted: Sequence[Wanted]) -> None:
        """Make all these trials, those that other processes work on included."""
        trials = {trial_name(one.candidate, one.seed): one for one in wanted}
        train_ahead(self.trials, {name: (one.steps, partial(self._trial, name, one)) for name, one in trials.items()})
        make_all(wanted, self._train)

    def _train(self, one: Wanted) -> bool:
        """Make the trial, unless it exists or another process works on it (then return False)."""
        trial = trial_name(one.candidate, one.seed)
        with claimed(self.folder / "trials" / CLAIMS / trial) as mine:
            if not mine:
                return False
            make = partial(self._trial, trial, one)
            record = self.trials.run(trial, make, lambda known: reaches(known, one.steps))
            if "failed" in record or record["steps"] >= self.steps[one.candidate]:
                self._forget(trial)
            last = record["history"][-1] if record["history"] else {}
            told = record.get("failed") or f"Fréchet {last['fid']:.1f}  {record['processor_seconds']:.0f} core s"
            self.say(f"{trial:<24} {told}")
        return True

    def _trial(self, trial: str, one: Wanted) -> dict[str, Any]:
        """Train; rates fall over all steps of this critic, in every rung."""
        steps, marks = self.steps[one.candidate], [one.steps]
        if one.seed == self.schedule.seeds[0] and one.steps == steps:  # it has begun in the first rung
            marks = [steps_in(1, steps, self.schedule), steps]
        record = train_and_score(
            self._generator(one.seed),
            self.images,
            self._settings(one.candidate, steps),
            self.scorer,
            marks=marks,
            unit="steps",
            seed=one.seed,
            engine=self.engine,
            checkpoint=self.folder / "trials" / trial / "checkpoints",
        )
        return {"seed": one.seed, **record, "critic": self.candidates[one.candidate].to_dict()}

    def _settings(self, name: str, steps: int) -> CompleteGan:
        """The complete settings against a critic; all else is equal."""
        update = {"critic": name, "layout": self.candidates[name].layout, "num_steps": steps}
        return self.gan.model_copy(update=update)

    def _generator(self, seed: int) -> Generator:
        return chosen_generator(self.architecture, self.images, self.plan.gan, SpaceSettings(), seed)

    def _protocol(self, generator: Generator) -> dict[str, Any]:
        config = generator.config
        described = config.get("architecture") or config["sizes"]
        return {
            "data": self.images.identity,
            "gan": self.gan.as_config(),
            "evaluate": self.scorer.settings.model_dump(mode="json"),
            "generator": {"kind": config["kind"], **{k: v for k, v in described.items() if k != "provenance"}},
            "contest": self.plan.model_dump(mode="json", exclude={"gan", "evaluate"}, include=set(Plan.model_fields)),
            "candidates": [one.to_dict() for one in self.candidates.values()],
        }

    def _write(self, outcome: CriticOutcome) -> None:
        """Write the results so far."""
        with alone(self.folder):
            write_json(self.folder / "candidates.json", [one.to_dict() for one in self.candidates.values()])
            write_json(self.folder / "rungs.json", outcome.rungs)
            if outcome.winner is not None:
                chosen = self.candidates[outcome.winner]
                protocol = {name: value for name, value in self.protocol.items() if name != "candidates"}
                data = {name: value for name, value in self.images.identity.items() if name != "source"}
                told = {"method": "critic contest", "candidate": chosen.name, "proposed_by": chosen.proposed_by}
                provenance = {**told, **protocol, "data": data}
                CriticLayout(chosen.layout.stages, provenance).save(self.folder / "critic.json")
        if outcome.rungs:
            for name in set(self.candidates) - set(outcome.entrants):  # these train no more
                self._forget(trial_name(name, self.schedule.seeds[0]))

    def _forget(self, trial: str) -> None:
        shutil.rmtree(self.folder / "trials" / trial, ignore_errors=True)
