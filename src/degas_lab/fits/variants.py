"""Other ways to search beside the default one, at equal cost: sampled paths, a critic, operations that leave.

A row's first seed is searched with the default's number of epochs, and its multiply-adds are counted. All seeds are
then searched with as many epochs as make the default's multiply-adds (`budget` `cost`). What each search finds is
fitted alone by GLO, equally for all, also after a search by a critic; rows are compared within seeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.checks import check_search
from degas.nas.settings import resolve_search
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.pruning import choices
from degas_lab.fits.metered import MeteredSearch, fitted, metered
from degas_lab.fits.variant_plan import CHANGES, DEFAULT, Plan, Row
from degas_lab.trials import Trials


class Variants:
    """The measurement in `folder`: `trials/` holds one record per search and fit.

    Raises `UserError` for rows that the settings exclude, before any search.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: SearchSettings,
        space: SpaceSettings,
        plan: Plan,
        folder: Path,
        *,
        engine: Engine,
        say: Callable[[str], None] = print,
    ) -> None:
        self.images, self.settings, self.space, self.plan = images, settings, space, plan
        self.engine, self.say = engine, say
        self.rows: tuple[Row, ...] = tuple(dict.fromkeys((DEFAULT, *plan.rows)))
        self.num_epochs = resolve_search(settings, images.num_images).num_epochs
        for row in self.rows:
            check_search(self.of_row(row, 1), space, image_size=images.image_size, channels=images.channels)
        shared: dict[str, Any] = {"data": images.identity, "search": settings.model_dump(mode="json")}
        shared |= {"space": space.model_dump(mode="json"), "fit_epochs": plan.fit_epochs}
        self.trials = Trials(folder / "trials", shared)

    def measure(self) -> None:
        """Make every missing trial, seed by seed; the first seed also with the default's number of epochs."""
        for seed in range(self.plan.seed, self.plan.seed + self.plan.seeds):
            for row in self.rows:
                self.trial(row, seed, self.equal_cost_epochs(row), "cost")

    def equal_cost_epochs(self, row: Row) -> int:
        """As many epochs as make the default's multiply-adds, by the first seed's searches; at least one."""
        if row == DEFAULT:
            return self.num_epochs
        ours, default = (self.trial(one, self.plan.seed, self.num_epochs, "epochs") for one in (row, DEFAULT))
        if "failed" in ours:
            return self.num_epochs
        share = default["search_multiply_adds"] / ours["search_multiply_adds"]
        return max(1, round(self.num_epochs * share))

    def trial(self, row: Row, seed: int, num_epochs: int, budget: str) -> dict[str, Any]:
        """The record of a search of `num_epochs`; the default's serve both budgets."""
        budget = "cost" if row == DEFAULT else budget
        again = row != DEFAULT and budget == "cost" and (seed, num_epochs) == (self.plan.seed, self.num_epochs)

        def search() -> dict[str, Any]:
            named = {"row": row, "seed": seed, "num_epochs": num_epochs, "budget": budget}
            if again:  # the row costs as much as the default, and this search has been made
                return {**self.trial(row, seed, num_epochs, "epochs"), "budget": budget}
            try:
                record = {**named, **self._searched_and_fitted(row, seed, num_epochs)}
            except (NonFiniteError, UserError) as error:
                record = {**named, "failed": str(error)}
            self.say(f"{row:<16} seed {seed}  {num_epochs:>3} epochs  {record.get('failed') or record['loss']}")
            return record

        return self.trials.run(f"{row}-{budget}-s{seed}", search)

    def of_row(self, row: Row, num_epochs: int) -> SearchSettings:
        """The complete settings of a row's search."""
        return SearchSettings(**{**self.settings.model_dump(), **CHANGES[row], "num_epochs": num_epochs})

    def _searched_and_fitted(self, row: Row, seed: int, num_epochs: int) -> dict[str, Any]:
        found, costs = self._search(self.of_row(row, num_epochs), seed)
        options: dict[str, Any] = {"seed": seed, "num_epochs": self.plan.fit_epochs, "engine": self.engine}
        return fitted(found, costs, self.images, self.settings, **options)

    def _search(self, settings: SearchSettings, seed: int) -> tuple[Architecture, Mapping[str, Any]]:
        """The found architecture, and what the search cost and decided."""
        search = MeteredSearch(self.images, settings, self.space, seed=seed, engine=self.engine)
        with tempfile.TemporaryDirectory(prefix="degas-") as scratch:
            found, costs = metered(Path(scratch) / "search", search)
        return found, {**costs, "choices": choices(found.edges, search.space)}
