"""The search step against the textbook's, and against one with a critic."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from degas.data.pixels import to_symmetric
from degas.gan.settings import resolve_gan
from degas.nas.state import Search
from degas.settings.sections import GanSettings, SpaceSettings
from degas_lab.speed.adversarial_search import AdversarialSignal
from degas_lab.speed.bench import Bench
from degas_lab.speed.textbook_steps import TextbookSearch
from degas_lab.speed.timing import peak_mib

SEARCH_OBJECTIVES: tuple[str, ...] = ("sn-gan", "ct-gan")


class SearchSteps(Bench):
    """Parts `search` and `adversarial-search`."""

    def search_step(self) -> dict[str, float]:
        """One update of weights and latents and one of α, as in `degas search --search.schedule alternate`.

        `joint_ms` is the default step, one backward pass for all; the textbook has none.
        """
        ours, textbook, joint = self._search(), self._textbook_search(), self._search("joint")
        device = self.engine.device
        times = self._time({"ours": ours, "textbook": textbook, "joint": joint})
        return {
            "ours_ms": times["ours"],
            "textbook_ms": times["textbook"],
            "speedup": times["textbook"] / times["ours"],
            **self._roofline(ours, times["ours"]),
            "ours_peak_mib": peak_mib(ours, device),
            "textbook_peak_mib": peak_mib(textbook, device),
            "joint_ms": times["joint"],
        }

    def _search(self, schedule: Literal["alternate", "joint"] = "alternate") -> Callable[[], object]:
        search = self._new_search(schedule)
        return lambda: search.step(0)

    def _textbook_search(self) -> Callable[[], object]:
        search = self._new_search()
        return TextbookSearch(
            search.supernet, search.settings, self._pixels(search), seed=self.seed, engine=self.engine
        ).step

    def _new_search(self, schedule: Literal["alternate", "joint"] = "alternate", **options: Any) -> Search:
        settings = self.sizes.search().model_copy(update={"schedule": schedule})
        return Search(
            self.sizes.images(self.seed), settings, SpaceSettings(), seed=self.seed, engine=self.engine, **options
        )

    def _pixels(self, search: Search) -> Tensor:
        """All images of the search, float (N, C, H, W) in [−1, 1]."""
        return to_symmetric(torch.from_numpy(search.images.images)).to(self.engine.device)

    def adversarial_search(self) -> dict[str, dict[str, float]]:
        """Our search step against one with a critic instead of GLO: the cheapest objective, and the paper's."""
        ours, device = self._search(), self.engine.device
        critics: dict[str, Callable[[], object]] = {name: self._adversarial_search(name) for name in SEARCH_OBJECTIVES}
        times = self._time({"ours": ours, **critics})
        mib = peak_mib(ours, device)
        return {
            f"search_step_beside_{objective.replace('-', '_')}": {
                "ours_ms": times["ours"],
                "adversarial_ms": times[objective],
                "speedup": times[objective] / times["ours"],
                "ours_peak_mib": mib,
                "adversarial_peak_mib": peak_mib(call, device),
            }
            for objective, call in critics.items()
        }

    def _adversarial_search(self, objective: str) -> Callable[[], object]:
        settings = GanSettings(
            objective=objective,
            width=self.sizes.width,
            batch_images=self.sizes.batch_images,
            critic_steps=1 if objective == "sn-gan" else None,  # the cheapest; its authors take five
        )
        search = self._new_search(make_signal=partial(AdversarialSignal, gan=resolve_gan(settings)))
        return lambda: search.step(0)
