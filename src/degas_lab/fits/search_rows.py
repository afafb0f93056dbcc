"""Ways to an architecture, compared by rows and seeds: what each finds is fitted alone by GLO, equally for all rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from degas.data.image_set import ImageSet
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas_lab.fits.metered import fitted
from degas_lab.trials import Trials


class RowPlan(Protocol):
    """What the plans of such comparisons share: `seeds` searches of each row from `seed` on, and epochs of the fits."""

    seeds: int
    seed: int
    fit_epochs: int


class SearchRows(ABC):
    """The measurement in `folder`: `trials/` holds one record per search and fit.

    Raises `UserError` for settings and images that a row cannot use, before any search and before a folder is made.
    """

    plan: RowPlan

    def __init__(
        self,
        images: ImageSet,
        settings: SearchSettings,
        space: SpaceSettings,
        plan: RowPlan,
        folder: Path,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        self.images, self.space, self.plan, self.engine, self.say = images, space, plan, engine, say
        self.settings = self.of_all_rows(settings)
        self.check()
        shared: dict[str, Any] = {"data": images.identity, "search": self.settings.model_dump(mode="json")}
        shared |= {"space": space.model_dump(mode="json"), "fit_epochs": plan.fit_epochs}
        self.trials = Trials(folder / "trials", shared)

    @abstractmethod
    def check(self) -> None:
        """Raise `UserError` for settings and images that a row cannot use."""

    @abstractmethod
    def measure(self) -> None:
        """Make every missing trial."""

    def of_all_rows(self, settings: SearchSettings) -> SearchSettings:
        """The settings that all rows share, of those that the command was given."""
        return settings

    @property
    def seeds(self) -> range:
        return range(self.plan.seed, self.plan.seed + self.plan.seeds)

    def fitted(self, found: Architecture, costs: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """The record of an architecture that a search found for `costs`, with the loss of its fit."""
        options: dict[str, Any] = {"seed": seed, "num_epochs": self.plan.fit_epochs, "engine": self.engine}
        return fitted(found, costs, self.images, self.settings, **options)
