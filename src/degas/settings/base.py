"""The parts of every section of settings: base class, fields, and types of values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from degas.runtime.paths import expanded
from degas.space.graph import LIMITS, MAX_IMAGE_SIZE

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
# Settings that determine memory are bounded, so that a mistyped size is rejected before memory is allocated.
Width = Annotated[int, Field(ge=1, le=LIMITS["width"][1])]
NoiseSize = Annotated[int, Field(ge=1, le=LIMITS["noise_size"][1])]
ImageSize = Annotated[int, Field(ge=1, le=MAX_IMAGE_SIZE)]
BatchImages = Annotated[int, Field(ge=1, le=65_536)]


def setting(
    default: Any, doc: str, *, source: str = "our choice", decides: bool = True, also: str | None = None
) -> Any:
    """A field with its help text and the source of its default, which is shown unless it is our choice.

    `decides=False`: the setting changes no result, so a run may resume with another value. `also`: a second, plainer
    name for the option; files keep the field's name.
    """
    described = f"{doc} (or: {also})" if also else doc
    description = described if source == "our choice" else f"{described} [{source}]"
    extra: dict[str, Any] = {"source": source, "decides": decides}
    return Field(default, description=description, json_schema_extra=extra, validation_alias=also)


class Settings(BaseModel):
    """Frozen settings; an unknown key or a value out of range is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        populate_by_name=True,
        loc_by_alias=False,
    )

    @field_validator("*")
    @classmethod
    def _from_home(cls, value: Any) -> Any:
        """Replace `~` by the home folder in every path."""
        if isinstance(value, tuple):
            return tuple(cls._from_home(entry) for entry in value)
        return expanded(value) if isinstance(value, Path) else value
