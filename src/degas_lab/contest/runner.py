"""The contest in a folder: propose, train rung by rung, write the decisions.

    config.json       the protocol            environment.json   versions, machine, command
    candidates.json   the proposals           trials/            one JSON file per training
    rungs.json        promotions, with why    effects.json       effect of each operation on the score
    architecture.json the winner

All except config.json and trials/ can be deleted: the same command writes the same bytes again. On another machine keep
candidates.json too, since the search's values differ there in their last digits. The same command may run several
times at once, on the cores of one machine: each process takes trainings that no other works on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.runtime.distributed import Engine
from degas.runtime.json_files import write_json
from degas.space.architecture import Architecture
from degas.space.graph import Edge, Order, SearchSpace
from degas.space.shipped import load_shipped, shipped_names
from degas_lab.contest.candidates import Candidate
from degas_lab.contest.claims import alone, make_all
from degas_lab.contest.effects import as_json
from degas_lab.contest.plan import Plan
from degas_lab.contest.propose import Proposer, SearchResult, propose
from degas_lab.contest.rungs import Outcome, decide
from degas_lab.contest.scores import trial_name
from degas_lab.contest.trainer import Described, Trainer, describe_architecture
from degas_lab.trainings.scorer import Scorer


class Contest:
    """The contest in `folder`, of a finished search on `images`."""

    def __init__(
        self,
        images: ImageSet,
        search: SearchResult,
        space: SearchSpace,
        plan: Plan,
        folder: Path,
        scorer: Scorer,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        self.plan, self.folder, self.space, self.say = plan, folder, space, say
        self.schedule = plan.schedule
        self.sizes = self._sized(search.found, images)
        self.proposer = Proposer(replace(search, found=self.sizes), space, plan.max_params)
        self.candidates = begun_with(folder) or self._propose()
        self.protocol = {"contest": self._contest(), "proposed": digest_of(self.candidates)}
        self.trainer = Trainer(images, plan, folder / "trials", scorer, shared=self.protocol, engine=engine, say=say)
        self.trials = self.trainer.trials
        with alone(folder):
            write_json(folder / "config.json", {"kind": "contest", **self.trainer.protocol})

    def _propose(self) -> list[Candidate]:
        plan = self.plan
        return propose(
            self.proposer,
            num_candidates=plan.num_candidates,
            num_proposals=plan.num_proposals,
            seed=plan.seed,
            shipped={name: load_shipped(name) for name in shipped_names()},
        )

    def run(self) -> Outcome:
        """Train until there is a winner; write each decision at once."""
        while True:
            outcome = self.decide()
            self.write(outcome)
            if not outcome.wanted:
                return outcome
            number, steps = len(outcome.rungs) + 1, outcome.wanted[0].steps
            self.say(f"rung {number}: {len(outcome.wanted)} trainings to {steps} steps")
            self.train_all(
                [
                    (one.candidate, self.described(outcome.candidates[one.candidate]), one.seed, one.steps)
                    for one in outcome.wanted
                ]
            )

    def decide(self) -> Outcome:
        return decide(self.candidates, self.trials.records(), self.schedule, self.space, self._make)

    def train_all(self, wanted: list[tuple[str, Described, int, int]]) -> None:
        """Make all these trials; wait for those that other processes work on."""
        self.trainer.make_ahead(wanted)
        make_all(wanted, lambda one: self.trainer.train(*one))

    def write(self, outcome: Outcome) -> None:
        """Write the results so far, and remove checkpoints of trials that were not promoted."""
        with alone(self.folder):
            write_json(self.folder / "candidates.json", [one.to_dict() for one in self.candidates])
            write_json(self.folder / "rungs.json", outcome.rungs)
            if outcome.model is not None:
                write_json(self.folder / "effects.json", as_json(outcome.model))
            if outcome.winner is not None:
                self.architecture(outcome.winner, provenance=self._provenance(outcome)).save(
                    self.folder / "architecture.json"
                )
        if outcome.rungs:
            for one in outcome.candidates:
                if one not in outcome.entrants:
                    self.trainer.forget(trial_name(one, self.schedule.seeds[0]))

    def architecture(self, candidate: Candidate, **changes: Any) -> Architecture:
        """The candidate's architecture at the contest's sizes."""
        return replace(self.sizes, order=candidate.order, edges=candidate.edges, **{"provenance": {}, **changes})

    def described(self, candidate: Candidate) -> Described:
        return describe_architecture(self.architecture(candidate))

    def _make(self, name: str, order: Order, edges: tuple[Edge, ...]) -> Candidate | None:
        allowed = self.proposer.allows(order, edges)
        return self.proposer.candidate(name, order, edges, "model") if allowed else None

    def _sized(self, found: Architecture, images: ImageSet) -> Architecture:
        """The search's architecture at the images' size and channels, with the requested widths."""
        gan = self.plan.gan
        sized = found.for_image_size(images.image_size)
        width, noise_size = gan.generator_width or found.width, gan.noise_size or sized.noise_size
        return sized.resized(width=width, noise_size=noise_size, channels=images.channels)

    def _contest(self) -> dict[str, Any]:
        """The settings that affect the contest's result, as JSON values."""
        return self.plan.model_dump(mode="json", exclude={"gan", "evaluate"}, include=set(Plan.model_fields))

    def _provenance(self, outcome: Outcome) -> dict[str, Any]:
        assert outcome.winner is not None
        images = self.trainer.images
        return {
            "method": "contest",
            "data": {
                "fingerprint": images.fingerprint,
                "num_images": images.num_images,
                "image_size": images.image_size,
            },
            "candidate": outcome.winner.name,
            "proposed_by": outcome.winner.proposed_by,
            "contest": self._contest(),
            "gan": self.trainer.gan.as_config(),
        }


def begun_with(folder: Path) -> list[Candidate] | None:
    """The candidates of candidates.json, if the trials of the folder began with exactly these; otherwise None.

    A contest continues with them: on another processor the search's values have other last digits.
    """
    try:
        proposed = json.loads((folder / "trials" / "settings.json").read_bytes())["proposed"]
        candidates = [Candidate.from_dict(one) for one in json.loads((folder / "candidates.json").read_bytes())]
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # missing or damaged: they are proposed again
        return None
    return candidates if digest_of(candidates) == proposed else None


def digest_of(candidates: Sequence[Candidate]) -> str:
    """The SHA-256 of the candidates as JSON."""
    values = [one.to_dict() for one in candidates]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
