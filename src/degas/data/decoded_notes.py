"""Notes from decoding a set of pictures: transparency, 16 bits, large JPEGs."""

from __future__ import annotations

from degas.data.decode import Decoded, FitRule
from degas.data.notes import Note, counted

_NEARLY_BLACK_BITS = 12  # of 16: then no pixel is brighter than 15 of 255


class DecodedNotes:
    """Collects facts about decoded pictures that their pixels no longer show."""

    def __init__(self, rule: FitRule) -> None:
        self.rule = rule
        self._transparent: list[str] = []
        self._deep: list[str] = []
        self._halved: list[str] = []
        self._peak = 0

    def add(self, picture: Decoded) -> None:
        if picture.transparent:
            self._transparent.append(picture.name)
        if picture.halved:
            self._halved.append(picture.name)
        if picture.peak is not None:
            self._deep.append(picture.name)
            self._peak = max(self._peak, picture.peak)

    def notes(self) -> tuple[Note, ...]:
        white = "partly transparent; transparent pixels become white"
        limit = f"more than {self.rule.max_megapixels} megapixels read at half the width and height"
        return (
            *counted("transparency", self._transparent, f"picture is {white}", f"pictures are {white}"),
            *counted("sixteen_bits", self._deep, f"picture has {self._bits()}", f"pictures have {self._bits()}"),
            *counted("halved", self._halved, f"JPEG of {limit}", f"JPEGs of {limit}"),
        )

    def _bits(self) -> str:
        """Say which of the 16 bits are kept, and how to use all bits that the pictures use."""
        used, taken = max(8, self._peak.bit_length()), self.rule.bits
        text = f"16 bits per channel, of which {'the upper 8' if taken == 16 else f'the upper 8 of {taken}'} are kept"
        if used >= taken:
            return text
        dark = "nearly black" if used <= taken - 16 + _NEARLY_BLACK_BITS else "darker than necessary"
        return f"{text}; no value is above {self._peak:,}, so they are {dark} (--data.bits {used} uses the whole range)"
