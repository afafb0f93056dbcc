"""`degas sweep`: everything that is checked before the first trial, the plan in words, the table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from degas.cli.main import main
from degas.cli.sweep import problems_in_words, table_in_words

FILE = """\
command = ["train", "evaluate"]
[options]
data = "images"
architecture = "resnet"
[grid]
gan.width = [4, 8]
"""


def written(folder: Path, text: str = FILE) -> str:
    (folder / "sweep.toml").write_text(text)
    return str(folder / "sweep.toml")


def test_the_plan_is_printed_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", written(tmp_path), "--out", "out", "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "width=4",
        "    degas train --data=images --architecture=resnet --gan.width=4 --out out/runs/width=4 --resume",
        "    degas evaluate --data=images --generator out/runs/width=4 --out out/runs/width=4",
    ]
    assert said[-1] == "2 trials"
    assert not Path("out").exists()


def test_the_plan_with_halving_counts_trainings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = FILE + "seed = [0, 1]\n[halving]\nmarks = [10, 1000]\n"
    assert main(["sweep", written(tmp_path, text), "--out", "out", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "--gan.num-steps=1000" in said
    assert "--gan.stop-step=10" in said
    assert said.endswith(
        "4 trials; compared within seed after 10, 1,000 generator steps\n6 trainings from mark to mark, if none fails\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "gan.widht = [4]\n",
            "line 7: trial width=4,widht=4: unknown setting --gan.widht; did you mean '--gan.width'?",
        ),
        (
            "seed = ['x']\n",
            "line 7: trial width=4,seed=x: --seed: 'x' is not a whole number, such as 200, 5,000 or 200k",
        ),
        ("gan.num-steps = [0]\n", "line 7: trial width=4,num-steps=0: --gan.num-steps: must be at least 1, not 0"),
        ("gan.supervised = ['yes']\n", "line 7: trial width=4,supervised=yes: --gan.supervised: takes no value; write"),
    ],
)
def test_a_mistake_in_a_setting_is_told_with_its_line_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert main(["sweep", written(tmp_path, FILE + text), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_option_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", written(tmp_path, "[grid]\nseed = [0]\n"), "--out", "out"]) == 2
    assert "trial seed=0: missing --data SRC; see degas run --help" in capsys.readouterr().err


def test_own_settings_of_an_import_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nothing_here", None)
    assert main(["sweep", written(tmp_path, 'import = "nothing_here"\n' + FILE), "--out", "out"]) == 2
    assert "--import nothing_here: no such module" in capsys.readouterr().err


def test_too_many_processes_leave_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", written(tmp_path), "--out", str(tmp_path / "out"), "--processes", "999"]) == 2
    assert "--processes: 999 with 1 core each need 999 cores" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_processes_belong_to_the_local_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", written(tmp_path), "--out", str(tmp_path / "out"), "--address", "auto", "--processes", "2"]
    assert main(words) == 2
    assert "--processes: counts for --address local only" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_the_extra_an_address_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["sweep", written(tmp_path), "--out", str(tmp_path / "out"), "--address", "auto"]) == 2
    assert "--address: Ray is the extra `sweep`; in degas' folder: pip install -e '.[sweep]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_table_has_every_score_but_the_floor_s() -> None:
    rows = [
        {"name": "a", "status": "done", "scores": {"fid": {"value": 3.14159}, "fid_floor": {"value": 1.0}}},
        {"name": "longer", "status": "failed", "scores": {}},
    ]
    assert table_in_words(rows).splitlines() == ["trial   status    fid", "a       done    3.142", "longer  failed"]
    assert problems_in_words(rows, Path("out")).splitlines() == [
        "",
        "failed   longer: see out/logs/longer.txt",
        "degas sweep with --retry starts these again",
    ]
    assert problems_in_words(rows[:1], Path("out")) == ""
