"""The verdict on a finished contest: the winner against others, trained on seeds that chose nothing."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.nets.generators import GENERATORS
from degas.runtime.json_files import write_json
from degas.space.architecture import Architecture
from degas.space.find import load_architecture
from degas_lab.contest.candidates import Candidate
from degas_lab.contest.claims import alone
from degas_lab.contest.plan import FIRST_NEW_SEED
from degas_lab.contest.rungs import Outcome
from degas_lab.contest.runner import Contest
from degas_lab.contest.scores import score_table, with_worst
from degas_lab.contest.trainer import Described, baseline_like, describe_architecture
from degas_lab.contest.verdict import Contestant, verdict

FOUND, RANDOM = "found", "random"
NAME_OF_OURS = re.compile(r"[cnr]\d+|winner")  # candidates, new ones and random ones in trials/


class Judge:
    """Trains the winner's opponents, and writes verdict.json.

    `against`: `found`, the result of the search alone; `random`, the best of as many random architectures as the
    contest could have trained on its seeds; a registered generator such as `resnet`, at the width closest to the
    winner's parameters; else an architecture by name or file.
    """

    def __init__(self, contest: Contest, against: Sequence[str]) -> None:
        self.contest, self.against = contest, tuple(dict.fromkeys(against))
        self.steps = contest.schedule.steps
        self.architectures = {name: self._load(name) for name in self.against if not self._is_word(name)}

    def judge(self, outcome: Outcome, num_seeds: int) -> dict[str, Any]:
        """Make missing trainings, seed by seed; write and return the comparisons."""
        rows = self.rows(outcome)
        seeds = tuple(range(FIRST_NEW_SEED, FIRST_NEW_SEED + num_seeds))
        wanted = [(one.trials, described, seed, self.steps) for seed in seeds for one, described in rows]
        self.contest.train_all(wanted)
        winner, *others = [one for one, _ in rows]
        found = verdict(self.contest.trials.records(), winner, others, seeds=seeds, steps=self.steps)
        with alone(self.contest.folder):
            write_json(self.contest.folder / "verdict.json", found)
        return found

    def rows(self, outcome: Outcome) -> list[tuple[Contestant, Described]]:
        """The winner and the others, without those that equal the winner."""
        assert outcome.winner is not None
        winner = self.contest.described(outcome.winner)
        rows: list[tuple[Contestant, Described]] = [(Contestant("winner", outcome.winner.name), winner)]
        for name in self.against:
            trials, described = self._other(name, outcome, outcome.winner)
            if described == winner:
                self.contest.say(f"{name}: is the winner itself")
            else:
                rows.append((Contestant(Path(name).stem, trials), described))
        return rows

    def _other(self, name: str, outcome: Outcome, winner: Candidate) -> tuple[str, Described]:
        """The name of its trials, and the generator."""
        if name == RANDOM:
            return self._best_random(outcome)
        if name == FOUND:
            found = next(one for one in self.contest.candidates if one.proposed_by == FOUND)
            return found.name, self.contest.described(found)
        if name in GENERATORS:
            return name, baseline_like(name, self.contest.sizes, winner.num_parameters)
        return Path(name).stem, describe_architecture(self.architectures[name])

    def _is_word(self, name: str) -> bool:
        return name in (FOUND, RANDOM) or name in GENERATORS

    def _load(self, name: str) -> Architecture:
        """An architecture by name or file, at the contest's sizes."""
        sizes, stem = self.contest.sizes, Path(name).stem
        other = load_architecture(name, [FOUND, RANDOM, *GENERATORS]).for_image_size(sizes.image_size)
        if NAME_OF_OURS.fullmatch(stem) or self._is_word(stem):
            raise UserError(f"--against {name}: the name {stem!r} is in use here; rename the file")
        return other.resized(width=sizes.width, noise_size=sizes.noise_size, channels=sizes.channels)

    def _best_random(self, outcome: Outcome) -> tuple[str, Described]:
        """The draw with the best mean score on the contest's seeds, out of as many as its steps would train."""
        schedule, proposer = self.contest.schedule, self.contest.proposer
        count = max(1, round(steps_taken(outcome, self.steps) / (len(schedule.seeds) * self.steps)))
        draws: dict[str, Candidate] = {}
        for order, edges in proposer.draws(self.contest.plan.seed, "contest random"):
            if len(draws) < count:
                name = f"r{len(draws) + 1}"
                draws[name] = proposer.candidate(name, order, edges, RANDOM)
        described = {name: self.contest.described(one) for name, one in draws.items()}
        self.contest.train_all([(name, described[name], seed, self.steps) for seed in schedule.seeds for name in draws])
        records = self.contest.trials.records()
        table = with_worst(score_table(list(draws), records, schedule.seeds, self.steps, schedule.score))
        best = min(table, key=lambda name: statistics.fmean(table[name].values()))
        return best, described[best]


def steps_taken(outcome: Outcome, steps: int) -> int:
    """Generator steps of the whole contest."""
    first, second, third = outcome.rungs
    seeds = len(third["seeds"]) - 1
    new = len(first["added"]) * first["steps"]
    goes_on = len(second["standings"]) * (steps - first["steps"])
    return int(len(first["standings"]) * first["steps"] + new + goes_on + len(third["standings"]) * seeds * steps)
