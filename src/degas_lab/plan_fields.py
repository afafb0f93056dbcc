"""Types that the settings of several measurements share. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

Clock = Literal["wall", "processor"]
Share = Annotated[float, Field(gt=0, le=1)]


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


# A value given twice is made once. The order is irrelevant (ascending) or the order of the work (distinct).
ASCENDING, DISTINCT = AfterValidator(_ascending), AfterValidator(_distinct)
Marks = Annotated[tuple[Share, ...], Field(min_length=1), ASCENDING]
