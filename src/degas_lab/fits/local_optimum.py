"""Test whether an architecture is a local optimum of the search's loss.

The architecture and all that differ from it in one decision are fitted alone by GLO with the same seeds. Fits of one
seed share latents and batches, so losses are compared within seeds. If the search's pruning.json is next to the
architecture, the supernet's ranking of the options of each decision is compared with that of the fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.nas.glo.standalone import fit_record, fit_settings
from degas.nas.settings import resolve_search
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.neighbours import neighbours
from degas.space.pruning import choices
from degas_lab.fits.neighbour_plan import Plan
from degas_lab.trials import Trials

FOUND = "found"


class LocalOptimum:
    """The measurement in `folder`: `trials/` holds `found-sSEED.json`, `N1-direct-conv_3x3-sSEED.json`, …

    The operations are those of `space` if it was given any, else those of the architecture's own search. Stages, order
    and sizes are the architecture's.
    """

    def __init__(
        self,
        found: Architecture,
        images: ImageSet,
        settings: SearchSettings,
        space: SpaceSettings,
        plan: Plan,
        folder: Path,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        self.found, self.images, self.settings, self.plan = found, images, settings, plan
        self.engine, self.say = engine, say
        self.space = searched_space(found, space)
        self.neighbours = neighbours(found.edges, self.space)
        lasting = settings.model_copy(update={"num_epochs": plan.num_epochs})
        self.num_epochs = resolve_search(lasting, images.num_images).num_epochs
        shared = {"data": images.identity, "search": fit_settings(settings), "num_epochs": self.num_epochs}
        self.trials = Trials(folder / "trials", {**shared, "found": found.to_dict()})

    def measure(self) -> None:
        """Make every missing fit: a whole seed before the next, the found architecture first."""
        contestants = list(self.contestants())
        self.trials.make_ahead(
            {
                f"{n}-s{seed}": partial(self._fit, what, one, seed)
                for seed in self.plan.seeds
                for n, what, one in contestants
            }
        )
        for seed in self.plan.seeds:
            for name, described, architecture in contestants:
                record = self.trials.run(f"{name}-s{seed}", partial(self._fit, described, architecture, seed))
                shown = "diverged" if record["loss"] is None else f"{record['loss']:.4f}"
                self.say(f"{name:<36} seed {seed}  loss {shown}")

    def contestants(self) -> Iterator[tuple[str, dict[str, str], Architecture]]:
        """Name, description for the record, and architecture: the found one, then its neighbours."""
        yield FOUND, {"decision": FOUND, "option": FOUND}, self.found
        for one in self.neighbours:
            described = {"decision": one.decision, "option": one.option}
            yield one.file_name, described, replace(self.found, edges=one.edges)

    @property
    def chosen(self) -> dict[str, str]:
        """Decision → the found architecture's option."""
        return choices(self.found.edges, self.space)

    def _fit(self, described: dict[str, str], architecture: Architecture, seed: int) -> dict[str, Any]:
        options: dict[str, Any] = {"seed": seed, "num_epochs": self.num_epochs, "engine": self.engine}
        return {**described, "seed": seed, **fit_record(architecture, self.images, self.settings, **options)}


def searched_space(found: Architecture, given: SpaceSettings) -> SearchSpace:
    """The space of the architecture's graph with the given operations, else those of its search."""
    own = found.provenance.get("space", {})

    def operations(kind: str) -> tuple[str, ...]:
        return tuple(own[kind] if kind in own and kind not in given.model_fields_set else getattr(given, kind))

    normal, up = operations("normal_operations"), operations("up_operations")
    return SearchSpace(found.num_stages, found.num_normal, normal, up, found.order)
