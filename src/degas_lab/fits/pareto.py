"""Loss against parameters, from the finished trials of other measurements; nothing is trained.

The *front* consists of the architectures that no other one beats in both parameters and loss. The *knee* is the point
of the front farthest below the chord between the front's ends, on a logarithmic axis of parameters, with both axes
scaled to the front's extent: from there, further parameters help less. A front without a point below its chord, or with
fewer than three points, has no knee.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.runtime.json_files import read_object, write_json
from degas_lab.figures import COLOURS, GREY, saved_figure, size_axis

KINDS = {  # of trials, with their names in the picture
    "found": "found",
    "random": "random",
    "equal_size": "random, of equal size",
    "evolution": "evolution",
    "smallest": "smallest",
    "biggest": "biggest",
}
COMPARED = ("data", "search", "num_epochs")  # trials must share these, or their losses are not comparable


@dataclass(frozen=True)
class Fitted:
    """One fitted architecture."""

    kind: str
    num_parameters: int
    loss: float
    trial: str = ""


def pareto_front(points: Sequence[Fitted]) -> list[Fitted]:
    """The points that no other beats, by ascending parameters and falling loss; the first of equal ones."""
    front: list[Fitted] = []
    for point in sorted(points, key=lambda p: (p.num_parameters, p.loss)):
        if not front or point.loss < front[-1].loss:
            front.append(point)
    return front


def knee(front: Sequence[Fitted]) -> Fitted | None:
    """The front's point farthest below the chord between its ends (log parameters, both axes scaled to 0 … 1)."""
    if len(front) < 3:
        return None
    first, last = front[0], front[-1]
    width = math.log(last.num_parameters) - math.log(first.num_parameters)
    height = first.loss - last.loss

    def below(point: Fitted) -> float:
        """1 − x − y: √2 times the distance from the chord from (0, 1) to (1, 0)."""
        x = (math.log(point.num_parameters) - math.log(first.num_parameters)) / width
        return 1.0 - x - (point.loss - last.loss) / height

    best = max(front[1:-1], key=below)
    return best if below(best) > 0 else None


def load_points(folders: Sequence[Path]) -> list[Fitted]:
    """Every trial with a kind, a loss and a size in the folders of `found-vs-random` and `baselines`.

    Raises `UserError` if a folder holds none, or if trials differ in data, search settings or epochs.
    """
    points: list[Fitted] = []
    first: tuple[Path, dict[str, Any]] | None = None
    for given in folders:
        folder = given / "trials" if (given / "trials").is_dir() else given
        settings = _read(folder / "settings.json")
        if first is None:
            first = (folder, settings)
        else:
            _check_same(first, (folder, settings))
        paths = sorted(path for path in folder.glob("*.json") if path.name != "settings.json")
        found = [_point(path, given) for path in paths]
        if not any(found):
            raise UserError(f"{given}: holds no finished trial; give a folder of found-vs-random or baselines")
        points += [point for point in found if point is not None]
    return points


def write_pareto(points: Sequence[Fitted], folder: Path) -> dict[str, Any]:
    """`pareto.json` and `pareto.png`; returns the object of the file."""
    front = pareto_front(points)
    bend = knee(front)
    summary = {
        "points": [vars(point) for point in points],
        "front": [vars(point) for point in front],
        "knee": None if bend is None else vars(bend),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "pareto.json", summary)
    draw_pareto(points, front, bend, folder / "pareto.png")
    return summary


def draw_pareto(points: Sequence[Fitted], front: Sequence[Fitted], bend: Fitted | None, path: Path) -> None:
    """Draw a dot per trial by kind, the front as stairs, and a ring around the knee."""
    with saved_figure(path, (6.4, 4.2)) as axes:
        one = axes[0, 0]
        sizes, losses = [p.num_parameters for p in front], [p.loss for p in front]
        one.plot(sizes, losses, drawstyle="steps-post", color=GREY, linewidth=1.2, label="front")
        for number, (kind, label) in enumerate(KINDS.items()):
            mine = [point for point in points if point.kind == kind]
            if mine:
                look = {"marker": "*", "s": 130, "zorder": 3} if kind == "found" else {"s": 22}
                one.scatter(
                    [p.num_parameters for p in mine],
                    [p.loss for p in mine],
                    color=COLOURS[number],
                    label=label,
                    linewidths=0,
                    **look,
                )
        if bend is not None:
            ring = {"facecolors": "none", "edgecolors": "black", "s": 150, "linewidths": 1.2}
            one.scatter([bend.num_parameters], [bend.loss], label="knee", **ring)
        one.set(xlabel="parameters", ylabel="GLO loss")
        size_axis(one, [p.num_parameters for p in points])
        one.legend(frameon=False, fontsize=8)


def _point(path: Path, given: Path) -> Fitted | None:
    record = _read(path)
    if record.get("kind") not in KINDS or "failed" in record:
        return None
    size, loss = record.get("num_parameters"), record.get("loss")
    if not isinstance(size, int) or size < 1 or not isinstance(loss, int | float) or not math.isfinite(loss):
        raise UserError(f"{path}: has no loss or no num_parameters; the file is damaged, remove it")
    return Fitted(record["kind"], size, float(loss), f"{given.name}/{path.stem}")


def _read(path: Path) -> dict[str, Any]:
    missing = f"{path}: does not exist; give a folder of found-vs-random or baselines"
    return read_object(path, missing=missing, advice="the file is damaged, remove it")


def _check_same(first: tuple[Path, dict[str, Any]], other: tuple[Path, dict[str, Any]]) -> None:
    """Raise `UserError` if settings differ, except those that one file lacks: files of older versions stay usable."""
    for key in COMPARED:
        a, b = first[1].get(key), other[1].get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            differing = [f"{key}.{name}" for name in sorted(set(a) & set(b)) if a[name] != b[name]]
        else:
            differing = [key] if a is not None and b is not None and a != b else []
        differing = [name for name in differing if name != "data.source"]  # the fingerprint says more
        if differing:
            raise UserError(
                f"{other[0]}: its trials have another {differing[0]} than those of {first[0]}; their losses are not "
                "comparable"
            )
