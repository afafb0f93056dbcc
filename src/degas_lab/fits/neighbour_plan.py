"""The plan of the fits around an architecture. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import DISTINCT


class Plan(Settings):
    """The seeds and the length of the fits, equal for every architecture."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1), DISTINCT] = setting(
        (0, 1, 2), "seeds of the fits; fits of one seed share initial latents and batches, and are compared"
    )
    num_epochs: Positive | None = setting(
        None, "epochs of each standalone fit; default: as in a search, 5 or as many as make 500 steps"
    )
