"""Front and knee against brute force and a picture one can check by hand; trials that cannot meet are refused."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from degas.cli.main import main
from degas.errors import UserError
from degas_lab.figures import short_count
from degas_lab.fits.pareto import Fitted, knee, load_points, pareto_front, write_pareto


def point(num_parameters: int, loss: float, kind: str = "random") -> Fitted:
    return Fitted(kind, num_parameters, loss)


def slow_front(points: list[Fitted]) -> set[Fitted]:
    def beaten(p: Fitted) -> bool:
        return any(
            q.num_parameters <= p.num_parameters
            and q.loss <= p.loss
            and (q.num_parameters, q.loss) != (p.num_parameters, p.loss)
            for q in points
        )

    return {p for p in points if not beaten(p)}


def test_the_front_is_what_none_beats() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        points = [point(rng.randint(1, 30), rng.randint(1, 30) / 10) for _ in range(25)]
        front = pareto_front(points)
        assert set(front) == slow_front(points)
        assert [p.num_parameters for p in front] == sorted({p.num_parameters for p in front})
        assert [p.loss for p in front] == sorted((p.loss for p in front), reverse=True)
    assert pareto_front([]) == []


def test_the_knee_lies_farthest_below_the_chord_on_a_logarithmic_axis() -> None:
    """Ends (10, 1) and (1000, 0): in log parameters (100, 0.2) is at x = ½, so 0.3 below the chord; (30, 0.7) 0.06."""
    front = [point(10, 1.0), point(30, 0.7), point(100, 0.2), point(900, 0.1), point(1000, 0.0)]
    assert knee(front) == front[2]
    chord = [point(10, 1.0), point(100, 0.6), point(1000, 0.0)]
    assert knee(chord) is None  # nothing below the chord
    assert knee(front[:2]) is None
    scaled = [point(p.num_parameters * 7, 5 + 3 * p.loss) for p in front]
    assert knee(scaled) == scaled[2]  # units do not matter


def test_the_knee_agrees_with_the_distance_to_a_line() -> None:
    rng = random.Random(1)
    front = pareto_front([point(round(math.exp(rng.uniform(3, 9))), rng.random()) for _ in range(200)])
    first, last = front[0], front[-1]

    def xy(p: Fitted) -> tuple[float, float]:
        span = math.log10(last.num_parameters / first.num_parameters)
        x = math.log10(p.num_parameters / first.num_parameters) / span
        return x, (p.loss - last.loss) / (first.loss - last.loss)

    def distance(p: Fitted) -> float:
        x, y = xy(p)
        return (1 - x - y) / math.sqrt(2)

    assert knee(front) == max(front, key=distance)


def write_trials(folder: Path, records: dict[str, dict[str, Any]], **settings: Any) -> Path:
    folder.mkdir(parents=True)
    shared = {"data": {"fingerprint": "f", "source": "s"}, "search": {"width": 8, "loss": "l2"}, "num_epochs": 5}
    (folder / "settings.json").write_text(json.dumps({**shared, **settings}))
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    return folder


def record(kind: str, size: int, loss: float) -> dict[str, Any]:
    return {"kind": kind, "num_parameters": size, "loss": loss, "nodes": {}}


def test_trials_of_both_measurements_meet_in_one_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {"found": record("found", 100, 0.2), "smallest": record("smallest", 10, 1.0)}
    one = write_trials(tmp_path / "versus", found)
    data = {"fingerprint": "f", "source": "elsewhere"}
    evolved = {"ab-s0": record("evolution", 1000, 0.0), "cd-s0": record("random", 500, 0.5)}
    two = write_trials(tmp_path / "baselines" / "trials", evolved, data=data, search={"width": 8, "newer": 1}).parent
    command = ["experiment", "pareto", "--trials", str(one), str(two), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "4 trials, 3 on the front" in printed
    assert "knee: versus/found, 100 parameters, loss 0.2000" in printed
    summary = json.loads((tmp_path / "out" / "pareto.json").read_text())
    assert [p["num_parameters"] for p in summary["front"]] == [10, 100, 1000]
    assert (tmp_path / "out" / "pareto.png").stat().st_size > 0
    assert write_pareto(load_points([one]), tmp_path / "alone")["knee"] is None


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = write_trials(tmp_path / "a", {"x": record("random", 5, 1.0)})
    for name, changed in (
        ("epochs", {"num_epochs": 6}),
        ("width", {"search": {"width": 16}}),
        ("data", {"data": {"fingerprint": "g"}}),
    ):
        other = write_trials(tmp_path / name, {"x": record("random", 5, 1.0)}, **changed)
        with pytest.raises(UserError, match="are not comparable"):
            load_points([one, other])
    with pytest.raises(UserError, match="does not exist"):
        load_points([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="no finished trial"):
        load_points([write_trials(tmp_path / "empty", {})])
    with pytest.raises(UserError, match="damaged"):
        load_points([write_trials(tmp_path / "nan", {"x": {"kind": "random", "loss": None}})])
    (one / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"broken\.json: not readable as JSON"):
        load_points([one])


def test_counts_on_an_axis_are_short() -> None:
    assert [short_count(value) for value in (950, 50_000, 123_456, 1_250_000, 2e9)] == [
        *("950", "50 k", "123 k", "1.25 M", "2 G")
    ]
