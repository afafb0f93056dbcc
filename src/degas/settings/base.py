"""The parts of every section of settings: base class, fields, and types of values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

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


def _holds_truth(value: Any) -> bool:
    """Return whether the value is True or False, numpy's too, or a list that holds one."""
    if isinstance(value, tuple | list):
        return any(map(_holds_truth, value))
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _kinds(annotation: Any) -> set[type]:
    """The plain types in an annotation: {int, float, NoneType} of `tuple[int, Annotated[float, …]] | None`."""
    if isinstance(annotation, type) and not get_args(annotation):
        return {annotation}
    return set().union(*map(_kinds, get_args(annotation)))


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

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Reject True where a number is wanted, which Python and pydantic take as 1."""
        if _holds_truth(value):
            kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
            if bool not in kinds and kinds & {int, float}:
                raise PydanticCustomError("float_type" if float in kinds else "int_type", "must be a number")
        return value

    @field_validator("*")
    @classmethod
    def _from_home(cls, value: Any) -> Any:
        """Replace `~` by the home folder in every path."""
        if isinstance(value, tuple):
            return tuple(cls._from_home(entry) for entry in value)
        return expanded(value) if isinstance(value, Path) else value
