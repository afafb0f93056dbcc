"""Other ways to search beside the default one, at equal cost: sampled paths, a critic, operations that leave.

A row's first seed is searched with the default's number of epochs, and its multiply-adds are counted. All seeds are
then searched with as many epochs as make the default's multiply-adds (`budget` `cost`). What each search finds is
fitted alone by GLO, equally for all, also after a search by a critic; rows are compared within seeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from degas.errors import UserError
from degas.nas.checks import check_search
from degas.nas.settings import resolve_search
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.pruning import choices
from degas_lab.fits.metered import MeteredSearch, metered, or_failed
from degas_lab.fits.search_rows import SearchRows
from degas_lab.fits.variant_plan import CHANGES, DEFAULT, Plan, Row


class _Search(NamedTuple):
    """A trial; its fields are the first ones of its record."""

    row: Row
    seed: int
    num_epochs: int
    budget: str  # epochs: as many as the default has; cost: as many as make the default's multiply-adds

    @property
    def name(self) -> str:
        return f"{self.row}-{self.budget}-s{self.seed}"


class Variants(SearchRows):
    """The comparison of other ways to search with the default one, in a folder."""

    plan: Plan

    def check(self) -> None:
        images = self.images
        if self.settings.grow:
            raise UserError(
                "search-variants: --search.grow chains several searches, and each row is one; leave it out, or use "
                "degas experiment grown-search"
            )
        for row in self.rows:
            check_search(self.of_row(row, 1), self.space, image_size=images.image_size, channels=images.channels)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(dict.fromkeys((DEFAULT, *self.plan.rows)))

    @property
    def num_epochs(self) -> int:
        """The default's number of epochs."""
        return resolve_search(self.settings, self.images.num_images).num_epochs

    def measure(self) -> None:
        """Make every missing trial: the searches that are counted and the default's, then those of equal cost."""
        counted = [self._counted(row) for row in self.rows]
        self._make([*counted, *(_Search(DEFAULT, seed, self.num_epochs, "cost") for seed in self.seeds[1:])])
        epochs = {row: self.equal_cost_epochs(row) for row in self.rows if row != DEFAULT}
        self._make([_Search(row, seed, epochs[row], "cost") for seed in self.seeds for row in epochs])

    def equal_cost_epochs(self, row: Row) -> int:
        """As many epochs as make the default's multiply-adds, by the first seed's searches; at least one."""
        ours, default = (self._record(self._counted(one)) for one in (row, DEFAULT))
        if "failed" in ours or "failed" in default:
            return self.num_epochs
        share = default["search_multiply_adds"] / ours["search_multiply_adds"]
        return max(1, round(self.num_epochs * share))

    def _counted(self, row: Row) -> _Search:
        """The first seed's search with the default's number of epochs; the default's serves both budgets."""
        return _Search(row, self.plan.seed, self.num_epochs, "cost" if row == DEFAULT else "epochs")

    def _make(self, searches: Sequence[_Search]) -> None:
        """Make the missing ones of these trials, none of which needs another of them."""
        self.trials.make_ahead({one.name: partial(self._trial, one) for one in searches})
        for one in searches:
            record = self._record(one)
            told = record.get("failed") or record["loss"]
            self.say(f"{one.row:<16} seed {one.seed}  {one.num_epochs:>3} epochs  {told}")

    def _record(self, one: _Search) -> dict[str, Any]:
        return self.trials.run(one.name, partial(self._trial, one))

    def _trial(self, one: _Search) -> dict[str, Any]:
        """The record of a search and the fit of what it found."""
        same = one._replace(budget="epochs")
        if one.budget == "cost" and same == self._counted(one.row):
            # the row costs as much as the default, and this search has been made
            return {**self._record(same), "budget": one.budget}
        return or_failed(one._asdict(), partial(self._searched_and_fitted, one))

    def of_row(self, row: Row, num_epochs: int) -> SearchSettings:
        """The complete settings of a row's search."""
        return SearchSettings(**{**self.settings.model_dump(), **CHANGES[row], "num_epochs": num_epochs})

    def _searched_and_fitted(self, one: _Search) -> dict[str, Any]:
        return self.fitted(*self._search(self.of_row(one.row, one.num_epochs), one.seed), one.seed)

    def _search(self, settings: SearchSettings, seed: int) -> tuple[Architecture, Mapping[str, Any]]:
        """The found architecture, and what the search cost and decided."""
        search = MeteredSearch(self.images, settings, self.space, seed=seed, engine=self.engine)
        with tempfile.TemporaryDirectory(prefix="degas-") as scratch:
            found, costs = metered(Path(scratch) / "search", search)
        return found, {**costs, "choices": choices(found.edges, search.space)}
