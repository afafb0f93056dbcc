"""A sweep of stub trials on the local pool: the table, retries, resuming, stopping, and one driver per folder."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from stub_sweep import SETUP, two_places
from stub_trial import write_scores

from degas.errors import UserError
from degas.runtime.folder_lock import owned_folder
from degas.sweep.drive import Setup, run_sweep
from degas.sweep.plan import Halving, Plan, Trial, make_trials
from degas.sweep.pool import Attempt, LocalPool, Place, Pool
from degas.sweep.trial_process import Order

REFERENCE = str(Path(__file__).parents[2] / "reference")


@pytest.fixture(autouse=True)
def _stub_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([REFERENCE, os.environ.get("PYTHONPATH", "")]))


def quiet(**changes: Any) -> Setup:
    return Setup(**{**vars(SETUP), "quiet": True, **changes})


def no_pool() -> Pool:
    raise AssertionError("nothing is to be run")


def test_every_trial_ends_as_it_should_and_the_table_says_so(tmp_path: Path) -> None:
    ends = {"well": "done", "reject": "rejected", "crash": "failed", "once": "done"}
    trials = make_trials({"steps": 2}, {"ends": list(ends)}, [])
    rows = run_sweep(Plan(("run",), trials), tmp_path / "sweep", quiet(), two_places)
    assert {row["settings"]["ends"]: row["status"] for row in rows} == ends
    assert json.loads((tmp_path / "sweep" / "table.json").read_bytes()) == rows
    assert set(rows[0]) == {"name", "settings", "status", "scores"}
    attempts = {name: int((tmp_path / f"sweep/runs/ends={name}/attempts").read_text()) for name in ends}
    assert attempts == {"well": 1, "reject": 1, "crash": 3, "once": 2}  # 2 is never tried again, the rest twice
    assert "must be at least 1" in (tmp_path / "sweep/logs/ends=reject.txt").read_text()


def test_a_second_call_runs_nothing_and_gives_the_same_bytes_and_retry_starts_what_failed(tmp_path: Path) -> None:
    plan = Plan(("run",), make_trials({"steps": 1}, {"ends": ["well", "reject"]}, []))
    run_sweep(plan, tmp_path, quiet(), two_places)
    before = (tmp_path / "table.json").read_bytes()
    run_sweep(plan, tmp_path, quiet(), no_pool)
    assert (tmp_path / "table.json").read_bytes() == before
    run_sweep(plan, tmp_path, quiet(retry=True), two_places)
    attempts = {name: (tmp_path / f"runs/ends={name}/attempts").read_text() for name in ("well", "reject")}
    assert attempts == {"well": "1", "reject": "2"}


def test_one_place_and_two_give_the_same_bytes_with_halving(tmp_path: Path) -> None:
    trials = make_trials({"pause": 0.002}, {"width": [1, 2, 3], "seed": [0, 1]}, [])
    plan = Plan(("run",), trials, Halving((2, 4), (1,), "seed", "kid"))
    for name, count in (("one", 1), ("two", 2)):
        run_sweep(plan, tmp_path / name, quiet(), lambda count=count: LocalPool([Place(())] * count))  # type: ignore[misc]
    for file in ("table.json", "halving.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    rows = json.loads((tmp_path / "one/table.json").read_bytes())
    assert [row["status"] for row in rows].count("done") == 2
    assert {(row["status"], row["mark"]) for row in rows} == {("done", 4), ("dropped", 2)}
    steps = {(tmp_path / "one/runs" / row["name"] / "step").read_text() for row in rows if row["status"] == "dropped"}
    assert steps == {"2"}  # a dropped trial did no further step


def test_trials_can_be_added_and_present_ones_are_kept(tmp_path: Path) -> None:
    run_sweep(Plan(("run",), make_trials({"steps": 1}, {"seed": [0]}, [])), tmp_path, quiet(), two_places)
    more = Plan(("run",), make_trials({"steps": 1}, {"seed": [0, 1]}, []))
    assert [row["status"] for row in run_sweep(more, tmp_path, quiet(), two_places)] == ["done", "done"]
    assert (tmp_path / "runs/seed=0/attempts").read_text() == "1"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(("run",), (Trial("seed=0", {"steps": 2, "seed": 0}),)), r"holds trial seed=0 with steps 1, not 2; give"),
        (Plan(("train",), (Trial("seed=0", {"steps": 1}),)), r'holds a sweep with other commands: \["run"\] there'),
        (Plan(("run",), (Trial("x", {}),), Halving((1, 2), (1,))), r"holds a sweep with other halving: null there"),
    ],
)
def test_another_sweep_does_not_enter_the_folder(tmp_path: Path, plan: Plan, said: str) -> None:
    run_sweep(Plan(("run",), make_trials({"steps": 1}, {"seed": [0]}, [])), tmp_path, quiet(), two_places)
    before = (tmp_path / "table.json").read_bytes()
    with pytest.raises(UserError, match=said):
        run_sweep(plan, tmp_path, quiet(), no_pool)
    assert (tmp_path / "table.json").read_bytes() == before


def test_a_run_folder_is_not_made_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds a run, not a sweep; give another --out"):
        run_sweep(Plan(("run",), (Trial("x", {}),)), tmp_path, quiet(), no_pool)


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    with owned_folder(tmp_path / "sweep"), pytest.raises(UserError, match=r"uses it; wait until that ends"):
        run_sweep(Plan(("run",), (Trial("x", {}),)), tmp_path / "sweep", quiet(), no_pool)


def test_a_score_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    plan = Plan(("run",), make_trials({}, {"seed": [0, 1]}, []), Halving((1, 2), (1,), "seed", "is"))
    with pytest.raises(UserError, match=r"halving.score: 'is' is none of the scores \(fid, kid\); name one of them"):
        run_sweep(plan, tmp_path, quiet(), two_places)


def test_damaged_outcomes_say_what_to_do(tmp_path: Path) -> None:
    plan = Plan(("run",), make_trials({"steps": 1}, {"seed": [0]}, []))
    run_sweep(plan, tmp_path, quiet(), two_places)
    (tmp_path / "outcomes" / "seed=0.json").write_text('{"0": 3}')
    with pytest.raises(
        UserError, match=r"seed=0.json: is no outcome of a trial; remove it, and the trial is run again"
    ):
        run_sweep(plan, tmp_path, quiet(), no_pool)


def test_trials_stop_with_an_error_of_the_driver(tmp_path: Path) -> None:
    """An error between two ends, such as a full disk: no trial runs on."""
    trials = make_trials({"pause": 0.05, "steps": 10_000}, {"seed": [0, 1]}, [])
    pool = two_places()

    def broken(seconds: float) -> Any:
        while not all((tmp_path / f"runs/seed={k}/step").exists() for k in (0, 1)):
            threading.Event().wait(0.05)
        raise OSError("the disk is full")

    pool.ended = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="the disk is full"):
        run_sweep(Plan(("run",), trials), tmp_path, quiet(), lambda: pool)
    assert pool.running() == {}
    steps = [(tmp_path / f"runs/seed={k}/step").read_text() for k in (0, 1)]
    threading.Event().wait(0.3)
    assert steps == [(tmp_path / f"runs/seed={k}/step").read_text() for k in (0, 1)]


class Counting:
    """A pool of two places whose trials end at once, the last one first; counts how often it is asked for room."""

    num_places = 2

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.turns, self._running = folder, 0, 0, list[str]()

    def has_room(self) -> bool:
        self.asked += 1
        return len(self._running) < 2

    def start(self, name: str, order: Order) -> None:
        self._running.append(name)

    def ended(self, seconds: float) -> list[Attempt]:
        self.turns += 1
        name = self._running.pop()
        write_scores(self.folder / "runs" / name, 1.0)
        return [Attempt(name, 0, 0.0)]

    def running(self) -> dict[str, float]:
        return dict.fromkeys(self._running, 0.0)

    def stop(self) -> None:
        assert not self._running


def test_a_pool_is_asked_for_room_once_in_vain_a_turn(tmp_path: Path) -> None:
    pool = Counting(tmp_path)
    trials = make_trials({}, {"seed": list(range(40))}, [])
    for trial in trials:
        (tmp_path / "runs" / trial.name).mkdir(parents=True)
    rows = run_sweep(Plan(("run",), trials), tmp_path, quiet(), lambda: pool)
    assert [row["status"] for row in rows] == ["done"] * 40
    assert pool.asked <= 40 + pool.turns
