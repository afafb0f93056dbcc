"""Runs every mutant of mutants.py against the tests of its file, in a copy of the source; writes docs/mutants.md.

    python tests/mutants/run_mutants.py [--write] [--new] [FILE …]

`--new` runs only the mutants that docs/mutants.md does not list as it is; with `--write` the others keep their rows.
Each runs in a fork of a process that has imported torch and pytest, so that a mutant takes a second or two. A list and
not a tool that makes mutants by the thousand: each entry is a mistake that someone could make, and can be argued about.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mutants import MUTANTS, TESTS, Mutant, path_in

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "mutants.md"
MOST_SECONDS = 120  # of the processor; a mutant that never ends is noticed


def run(mutants: Sequence[Mutant] = MUTANTS, tell: bool = True) -> list[tuple[Mutant, bool]]:
    """Each mutant with whether a test failed; raises unless the tests pass on the source as it is."""
    import pytest  # noqa: F401 - here, so that every fork has them
    import torch  # noqa: F401

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__", ".*", "*.egg-info"))
        for file in sorted({mutant.file for mutant in mutants}):
            if _fails(copy, TESTS[file], Path(folder) / "log"):
                raise RuntimeError(
                    f"the tests of {file} fail without any mutant:\n{(Path(folder) / 'log').read_text()}"
                )
        return [(mutant, _noticed(mutant, copy, Path(folder) / "log", tell)) for mutant in mutants]


def _noticed(mutant: Mutant, copy: Path, log: Path, tell: bool) -> bool:
    path = path_in(copy, mutant.file)
    source = path.read_text()
    if source.count(mutant.old) != 1:
        raise RuntimeError(f"{mutant.file}: {mutant.old!r} occurs {source.count(mutant.old)} times, not once")
    path.write_text(source.replace(mutant.old, mutant.new))
    began = time.perf_counter()
    try:
        noticed = _fails(copy, TESTS[mutant.file], log)
    finally:
        path.write_text(source)
    if tell:
        verdict = "noticed " if noticed else "SURVIVED"
        seconds = time.perf_counter() - began
        print(f"{verdict} {seconds:5.1f} s  {mutant.file}: {mutant.old!r} -> {mutant.new!r}", flush=True)
    return noticed


def _fails(copy: Path, tests: Sequence[str], log: Path) -> bool:
    """Whether a test fails (or hangs) against the copy; in a fork, with its output in `log`."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(_in_child(copy, tests, log))
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) != 0


def _in_child(copy: Path, tests: Sequence[str], log: Path) -> int:
    import pytest

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.split(".")[0] in ("degas", "degas_lab")]:
        del sys.modules[name]
    sys.path.insert(0, str(copy))
    options = ["-x", "-q", "-m", "not slow and not nightly and not gpu", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main([*options, "--rootdir", str(ROOT), *(str(ROOT / test) for test in tests)]))


def document(results: Sequence[tuple[Mutant, bool]]) -> str:
    noticed = sum(seen for _, seen in results)
    lines = [
        "# Do the tests notice small mistakes in the code?",
        "",
        f"**Answer.** {noticed} of {len(results)}; beside each of the others stands why it changes nothing.",
        "",
        "Small mistakes, put one at a time into the files whose mistakes no loss curve would show: a flipped sign, a",
        "swapped index, a bound left out. The unit tests of the file must fail on each. The list is",
        "`tests/mutants/mutants.py`; `python tests/mutants/run_mutants.py --write` runs it and writes this page, and",
        "`make test-slow` runs it too.",
        "",
        "## Command, seeds, machine, hours",
        "",
        "The command above; no seed. It is a part of `make test-slow`, whose time is on"
        " [its page](evidence/kill-and-resume.md).",
        "",
        "| file | was | became | noticed, or why not |",
        "|---|---|---|---|",
    ]
    lines += [row(mutant, seen) for mutant, seen in results]
    lines += ["", "## What it does not say", "", "The mutants are ours; a mistake of another kind may pass the tests."]
    return "\n".join(lines) + "\n"


def row(mutant: Mutant, seen: bool) -> str:
    """The mutant's line of the table."""
    verdict = "noticed" if seen else mutant.survives or "**survives**"
    return f"| {mutant.file} | {_code(mutant.old)} | {_code(mutant.new)} | {verdict} |"


def listed(mutants: Sequence[Mutant] = MUTANTS) -> dict[Mutant, bool]:
    """The mutants that the page lists with the verdict that they must have."""
    lines = set(DOCUMENT.read_text(encoding="utf-8").splitlines())
    return {mutant: not mutant.survives for mutant in mutants if row(mutant, not mutant.survives) in lines}


def _code(text: str) -> str:
    shown = " ".join(text.split()).replace("|", "\\|")
    return f"`{shown}`" if shown else "(nothing)"


if __name__ == "__main__":
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    known = listed() if "--new" in sys.argv else {}
    found = run([mutant for mutant in MUTANTS if mutant not in known and (not wanted or mutant.file in wanted)])
    if "--write" in sys.argv:
        verdicts = {**known, **dict(found)}
        pairs = [(mutant, verdicts[mutant]) for mutant in MUTANTS if mutant in verdicts]
        DOCUMENT.write_text(document(pairs), encoding="utf-8")
    sys.exit(any(seen == bool(mutant.survives) for mutant, seen in found))
