"""The list of mutants fits the source every day; nightly each is run and must be noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from run_mutants import listed

from mutants import MUTANTS, TESTS, Mutant, path_in

ROOT = Path(__file__).parents[2]


def test_at_least_forty_are_listed_and_nearly_all_must_be_noticed() -> None:
    assert len(MUTANTS) >= 40
    assert len(set(MUTANTS)) == len(MUTANTS)
    assert sum(bool(mutant.survives) for mutant in MUTANTS) <= 3


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{mutant.file} {n}" for n, mutant in enumerate(MUTANTS)])
def test_a_mutant_changes_one_place_and_still_compiles(mutant: Mutant) -> None:
    source = path_in(ROOT / "src", mutant.file).read_text()
    assert source.count(mutant.old) == 1
    compile(source.replace(mutant.old, mutant.new), mutant.file, "exec")
    assert all((ROOT / test).is_file() for test in TESTS[mutant.file])


def test_the_page_lists_every_mutant() -> None:
    """`python tests/mutants/run_mutants.py --new --write` runs those that it lacks."""
    assert [mutant for mutant in MUTANTS if mutant not in listed()] == []


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_every_mutant_is_noticed() -> None:
    """In a process of its own, which forks before anything has started a thread."""
    command = [sys.executable, str(ROOT / "tests" / "mutants" / "run_mutants.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stdout + done.stderr
