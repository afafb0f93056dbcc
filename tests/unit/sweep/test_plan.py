"""Trials and their commands from a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from degas.errors import UserError
from degas.sweep.plan import Halving, Plan, Trial, command_lines, make_trials, num_jobs, num_kept, option_words


def names(*args: object) -> list[str]:
    return [trial.name for trial in make_trials(*args)]  # type: ignore[arg-type]


def test_a_grid_is_every_combination_and_its_last_key_changes_fastest() -> None:
    trials = make_trials({"data": "digits"}, {"gan.width": [8, 16], "seed": [0, 1]}, [])
    assert [trial.name for trial in trials] == [
        "width=8,seed=0",
        "width=8,seed=1",
        "width=16,seed=0",
        "width=16,seed=1",
    ]
    assert trials[2].settings == {"data": "digits", "gan.width": 16, "seed": 0}


def test_every_entry_of_a_list_is_combined_with_the_grid_and_overrides_what_is_shared() -> None:
    entries = [{"name": "small", "gan.width": 8}, {"gan.width": 16, "gan.lr": 0.1}]
    trials = make_trials({"gan.width": 1, "x": 2}, {"seed": [3]}, entries)
    assert [trial.name for trial in trials] == ["small,seed=3", "width=16,lr=0.1,seed=3"]
    assert trials[0].settings == {"gan.width": 8, "x": 2, "seed": 3}


def test_adding_values_leaves_the_names_of_present_trials_as_they_are() -> None:
    few = names({}, {"gan.width": [8], "seed": [0]}, [])
    many = names({}, {"gan.width": [8, 16, 4], "seed": [0, 1]}, [])
    assert set(few) < set(many)


def test_names_are_file_names_and_differ() -> None:
    assert names({}, {"architecture": ["runs/a b", "../c"]}, []) == ["architecture=runs-a-b", "architecture=..-c"]
    twins = names({}, {"architecture": ["a/b", "a b"]}, [])
    assert len(set(twins)) == 2
    assert all(name.startswith("architecture=a-b-") for name in twins)
    long = names({}, {"architecture": ["a" * 300, "a" * 299]}, [])
    assert len(set(long)) == 2
    assert max(map(len, long)) <= 100
    assert names({}, {}, [{"name": ".."}, {"name": "-x", "seed": 1}]) == ["trial", "x"]
    assert names({}, {"gan.width": [1], "search.width": [2]}, []) == ["gan.width=1,search.width=2"]


def test_two_trials_with_the_same_settings_are_an_error() -> None:
    with pytest.raises(UserError, match=r"trials a and b have the same settings; leave one of them out"):
        make_trials({}, {}, [{"name": "a", "seed": 1}, {"name": "b", "seed": 1}])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("gan.width", 8, ["--gan.width=8"]),
        ("gan.lr", -1e-4, ["--gan.lr=-0.0001"]),
        ("gan.betas", [0.0, 0.9], ["--gan.betas", "0.0", "0.9"]),
        ("gan.supervised", True, ["--gan.supervised"]),
        ("gan.supervised", False, ["--gan.no-supervised"]),
        ("quiet", False, ["--no-quiet"]),
    ],
)
def test_settings_are_typed_as_people_type_them(key: str, value: object, words: list[str]) -> None:
    assert option_words(key, value) == words


def test_each_command_of_a_trial_gets_the_options_that_it_has() -> None:
    trial = Trial("t", {"data": "digits", "gan.width": 4, "evaluate.batch-images": 2, "foreign": 1})
    plan = Plan(("train", "evaluate"), (trial,), imports=("mine.py",))
    known = {"train": frozenset({"data", "gan.width"}), "evaluate": frozenset({"data", "evaluate.batch-images"})}
    train, evaluate = command_lines(plan, trial, 0, Path("runs/t"), known)
    assert train == [
        *("train", "--import", "mine.py", "--data=digits", "--gan.width=4", "--foreign=1"),
        *("--out", "runs/t", "--resume"),
    ]
    assert evaluate == [
        *("evaluate", "--import", "mine.py", "--data=digits", "--evaluate.batch-images=2"),
        *("--generator", "runs/t", "--out", "runs/t"),
    ]


def test_a_mark_is_the_step_at_which_a_training_stops_and_the_last_one_its_number_of_steps() -> None:
    known = {"run": frozenset({"gan.stop-step", "gan.num-steps", "seed"})}
    trial = Trial("t", {"seed": 0})
    plan = Plan(("run",), (trial,), Halving((2, 5), (0.5,)))
    assert command_lines(plan, trial, 2, Path("r"), known) == [
        ["run", "--gan.num-steps=5", "--seed=0", "--gan.stop-step=2", "--out", "r"]
    ]
    own = Trial("t", {"seed": 0, "gan.num-steps": 9})
    assert "--gan.num-steps=9" in command_lines(plan, own, 2, Path("r"), known)[0]


@pytest.mark.parametrize(
    ("keep", "entrants", "kept"),
    [(0.5, 4, 2), (0.5, 5, 3), (0.1, 30, 3), (0.07, 100, 7), (0.01, 5, 1), (1e-10, 1, 1), (3, 5, 3), (9, 5, 5)],
)
def test_kept_is_a_number_or_a_share_rounded_up(keep: float, entrants: int, kept: int) -> None:
    assert num_kept(keep, entrants) == kept


def test_the_number_of_jobs_counts_every_mark() -> None:
    trials = make_trials({}, {"gan.width": [1, 2, 3, 4, 5], "seed": [0, 1]}, [])
    assert num_jobs(Plan(("run",), trials)) == 10
    assert num_jobs(Plan(("run",), trials, Halving((1, 2, 3), (0.5, 1)))) == 2 * (5 + 3 + 1)
