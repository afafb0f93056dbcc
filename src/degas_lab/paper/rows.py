"""The rows of the paper's tables: what is searched, trained and scored for each. No torch.

Rows of equal name in two tables are one trial. Ablations change one thing: every searched or drawn architecture has the
paper's order of operations, as many stages as its images need, and 128 entries of noise, except where the paper itself
scales the noise with the image size (§4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from degas.report.paper import ROWS as PRINTED
from degas.report.paper import PaperRow
from degas.settings.presets import PRESETS, SLOWER_SHARE

DATA_SETS = ("cifar10", "stl10", "celeba")
IMAGE_SIZES = {"cifar10": 32, "stl10": 48, "celeba": 32}  # paper §4
NUM_IMAGES = {"cifar10": 50_000, "stl10": 50_000, "celeba": 202_599}
TITLES = {"cifar10": "CIFAR-10", "stl10": "STL-10", "celeba": "CelebA"}
NOISE_SIZE = 128
Maker = Literal["real", "searched", "random", "resnet", "resnet-equal"]


@dataclass(frozen=True)
class Search:
    """One search of the paper: a data set at some size, with n normal maps. `base_size` keeps the number of stages."""

    data: str
    image_size: int | None = None
    base_size: int | None = None
    num_normal: int = 1

    @property
    def name(self) -> str:
        parts = [self.data]
        parts += [f"{self.image_size}px"] if self.image_size else []
        parts += [f"n{self.num_normal}"] if self.num_normal != 1 else []
        return "-".join(parts)

    @property
    def pixels(self) -> int:
        return self.image_size or IMAGE_SIZES[self.data]

    def data_settings(self) -> dict[str, Any]:
        return {"image_size": self.pixels}

    def space_settings(self) -> dict[str, Any]:
        own = {"num_normal": self.num_normal, "base_size": self.base_size}
        return {name: value for name, value in own.items() if value not in (None, 1)}

    def rates(self) -> dict[str, float]:
        """The rates of §4.1 for this data set, whatever its files are called."""
        paper = PRESETS["paper"]["search"]
        share = 1.0 if self.data == "cifar10" else SLOWER_SHARE
        return {name: round(paper[name] * share, 6) for name in ("weight_lr", "latent_lr")}


@dataclass(frozen=True)
class Row:
    """One row: a generator trained and scored on `data`.

    Attributes:
        maker: where the generator comes from; `resnet-equal` is CT-GAN's own at the width that gives it as many
            parameters as the architecture of `search`.
        search: of `searched` and `resnet-equal`.
        printed: the `what` of the paper's row, None if the paper has no such row.
        noise_size: of the training, where it would otherwise scale with the size of the search's images.
    """

    name: str
    data: str
    maker: Maker
    search: Search | None = None
    printed: str | None = None
    labels: bool = False
    objective: str = "ct-gan"
    noise_size: int | None = None

    def paper(self, table: str) -> PaperRow | None:
        """The paper's row beside this one in `table`, or None."""
        heads = (f"Table {table},", f"Table {table} and")
        found = [row for row in PRINTED if row.what == self.printed and row.labels == self.labels]
        here = [row for row in found if row.table.startswith(heads)]
        mine = [row for row in here or found if row.data == TITLES[self.data]]
        return mine[0] if mine else None


CIFAR, STL, CELEBA = Search("cifar10"), Search("stl10"), Search("celeba")
REAL, CTGAN = "real images", "CT-GAN's own generator"


def _systems(data: str, search: Search, *, labels: bool = False) -> list[Row]:
    """The rows that a data set shares with others: real images, CT-GAN's own generator at two sizes, other systems."""
    head = f"{data}-labels" if labels else data
    rows = [
        Row(f"{data}-real", data, "real", printed=REAL, labels=labels),
        Row(f"{head}-resnet", data, "resnet", printed=CTGAN, labels=labels),
        Row(f"{head}-resnet-equal", data, "resnet-equal", search, labels=labels),
        Row(f"{head}-wgan-gp", data, "resnet", printed="WGAN-GP", labels=labels, objective="wgan-gp"),
        Row(f"{head}-cagan", data, "resnet", printed="CAGAN", labels=labels, objective="cagan"),
    ]
    return rows if labels else [*rows, Row(f"{head}-sn-gan", data, "resnet", printed="SN-GAN", objective="sn-gan")]


DEGAS = Row("cifar10-degas", "cifar10", "searched", CIFAR, "DEGAS")
TABLES: dict[str, tuple[Row, ...]] = {
    "1": (DEGAS, *_systems("cifar10", CIFAR)),
    "2": (
        Row("cifar10-labels-degas", "cifar10", "searched", CIFAR, "DEGAS", labels=True),
        *_systems("cifar10", CIFAR, labels=True),
    ),
    "3": (
        Row("stl10-degas", "stl10", "searched", STL, "DEGAS, searched on STL-10"),
        Row("stl10-degas-of-cifar10", "stl10", "searched", CIFAR, "DEGAS, CIFAR-10's architecture"),
        Row(
            "stl10-degas-32px",
            "stl10",
            "searched",
            Search("stl10", image_size=32),
            "searched at 32 px",
            noise_size=NOISE_SIZE,
        ),
        *_systems("stl10", STL),
    ),
    "4": (
        DEGAS,
        Row("cifar10-degas-n2", "cifar10", "searched", Search("cifar10", num_normal=2), "search with n = 2"),
        Row(
            "cifar10-degas-16px",
            "cifar10",
            "searched",
            Search("cifar10", image_size=16, base_size=2),
            "searched at 16 px",
            noise_size=NOISE_SIZE,
        ),
        Row("cifar10-random", "cifar10", "random", printed="random architecture"),
        Row("cifar10-resnet-equal", "cifar10", "resnet-equal", CIFAR),
    ),
    "celeba": (
        Row("celeba-degas", "celeba", "searched", CELEBA),
        Row("celeba-degas-of-cifar10", "celeba", "searched", CIFAR),
        Row("celeba-real", "celeba", "real"),
        Row("celeba-resnet", "celeba", "resnet"),
        Row("celeba-resnet-equal", "celeba", "resnet-equal", CELEBA),
    ),
    "figure3": (),
}
FIGURES = {"figure3": (CIFAR,)}  # searches without a training


def searches_of(table: str) -> list[Search]:
    """Every search of a table, once, in order."""
    found = [row.search for row in TABLES[table] if row.search is not None]
    return list(dict.fromkeys([*found, *FIGURES.get(table, ())]))


def data_sets_of(table: str) -> list[str]:
    """The data sets that a table needs, in a fixed order."""
    needed = {row.data for row in TABLES[table]} | {search.data for search in searches_of(table)}
    return [name for name in DATA_SETS if name in needed]


def only_printed(table: str) -> list[PaperRow]:
    """The paper's rows of a table that have no row here: other systems, quoted."""
    ours = {row.printed for row in TABLES[table]}
    heads = (f"Table {table},", f"Table {table} and")
    return [
        row
        for row in PRINTED
        if row.table.startswith(heads) and row.what not in ours and row.what != "searched at 32 px"
    ]
