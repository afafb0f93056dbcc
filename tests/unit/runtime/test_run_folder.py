"""A stage's folder: one owner, one run, logs that can be cut back."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from degas.errors import UserError
from degas.runtime.checkpoint import checkpoint_digest
from degas.runtime.comparison import Rules
from degas.runtime.environment import ranks_at_start
from degas.runtime.run_folder import StageFolder, read_jsonl

SETTINGS = {"search": {"width": 32, "betas": (0.5, 0.999), "cache": None}, "seed": 0}


def make(path: Path, resume: bool = False, kind: str = "search", settings: dict | None = None) -> StageFolder:
    return StageFolder(path, settings=SETTINGS if settings is None else settings, resume=resume, kind=kind)


def no_warning(line: str) -> None:
    raise AssertionError(line)


def test_a_fresh_folder_records_its_settings(tmp_path: Path) -> None:
    with make(tmp_path / "RUN" / "search") as folder:
        assert not folder.resuming
        assert not folder.done()
        assert folder.checkpoints == folder.path / "checkpoints"
    config = json.loads((tmp_path / "RUN/search/config.json").read_text())
    assert config == {"kind": "search", "search": {"width": 32, "betas": [0.5, 0.999], "cache": None}, "seed": 0}


def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    with make(tmp_path / "search"):
        pass
    with pytest.raises(UserError, match="holds an unfinished run; give another --out, or --resume to continue it"):
        make(tmp_path / "search")
    with make(tmp_path / "search", resume=True) as folder:
        assert folder.resuming
        folder.mark_done()
    with pytest.raises(UserError, match="search holds a finished run; give another --out, or --resume"):
        make(tmp_path / "search")
    with make(tmp_path / "search", resume=True) as folder:
        assert folder.done()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": {"width": 64, "betas": (0.5, 0.999), "cache": None}}, "search.width was 32 and is 64 now"),
        ({"search": {"width": 32, "betas": (0.5, 0.9), "cache": None}}, r"search.betas was \[0.5, 0.999\]"),
        ({"search": {"width": 32, "cache": None}}, r"search.betas was .* and is unset now"),
        ({"search": {"width": 32, "betas": (0.5, 0.999), "cache": None, "new": 1}}, "search.new was unset and is 1"),
        ({"seed": 1}, "seed was 0 and is 1 now"),
        ({"search": 3}, "search was {"),
    ],
)
def test_resume_with_other_settings_names_the_first_difference(tmp_path: Path, change: dict, message: str) -> None:
    with make(tmp_path / "search"):
        pass
    with pytest.raises(UserError, match=message):
        make(tmp_path / "search", resume=True, settings={**SETTINGS, **change})
    with make(tmp_path / "search", resume=True):  # the refused one left no lock
        pass


def test_config_json_says_what_is_in_force_after_a_resume(tmp_path: Path) -> None:
    rules = Rules(ignored=frozenset(["log_steps"]), defaults={"newer": None})
    path = tmp_path / "search"
    for settings in ({"log_steps": 10}, {"log_steps": 1, "newer": None}):
        with StageFolder(path, settings=settings, resume=True, kind="search", rules=rules) as folder:
            assert json.loads((path / "config.json").read_bytes()) == {"kind": "search", **settings}
    folder.mark_done()  # a finished run is only read
    with StageFolder(path, settings={"log_steps": 7}, resume=True, kind="search", rules=rules):
        assert json.loads((path / "config.json").read_bytes())["log_steps"] == 1


def test_resume_as_another_stage_is_refused(tmp_path: Path) -> None:
    with make(tmp_path / "x"):
        pass
    with pytest.raises(UserError, match='kind was "search" and is "train" now'):
        make(tmp_path / "x", resume=True, kind="train")


def test_resume_of_nothing_starts_afresh(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / ".lock").touch()  # killed before anything was written
    with make(tmp_path / "search", resume=True) as folder:
        assert not folder.resuming
        assert folder.restore(no_warning) is None
        assert (folder.path / "config.json").is_file()


@pytest.mark.parametrize("content", ["", "{", "[1]", "nonsense"])
def test_a_damaged_config_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    with make(tmp_path / "search") as folder:
        (folder.path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config.json: not") as caught:
        make(tmp_path / "search", resume=True)
    assert "\n" not in str(caught.value)


def test_a_run_without_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "search" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=r"without config.json"):
        make(tmp_path / "search", resume=True)


def test_paths_in_settings_become_text_and_unknown_things_are_refused(tmp_path: Path) -> None:
    with make(tmp_path / "a", settings={"cache": Path("/x")}):
        pass
    with make(tmp_path / "a", settings={"cache": "/x"}, resume=True):
        pass
    with pytest.raises(TypeError, match="set is not a JSON value"):
        make(tmp_path / "b", settings={"x": {1}})
    with pytest.raises(ValueError, match="kind"):
        make(tmp_path / "c", settings={"kind": 1})


# ---------------------------------------------------------------------------------------------------- one owner


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with make(tmp_path / "search"):
        for resume in (False, True):
            with pytest.raises(UserError, match=f"process {os.getpid()} on .* uses it; wait"):
                make(tmp_path / "search", resume=resume)
    with make(tmp_path / "search", resume=True) as folder:
        folder.close()
        folder.close()
        with make(tmp_path / "search", resume=True):
            pass


def test_a_path_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "search"):
        with pytest.raises(UserError, match="the folder cannot be created"):
            make(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError, match="cannot be written"):
        make(tmp_path / "search")


# ---------------------------------------------------------------------------------------------------- logs


def test_metrics_hold_plain_numbers(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder:
        folder.log_metrics(1, loss=torch.tensor(0.1), count=np.int64(3), share=np.float32(0.5), note="é", none=None)
        folder.log_metrics(2, loss=0.1)
    assert (folder.path / "metrics.jsonl").read_text(encoding="utf-8") == (
        '{"step": 1, "loss": 0.10000000149011612, "count": 3, "share": 0.5, "note": "é", "none": null}\n'
        '{"step": 2, "loss": 0.1}\n'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, torch.tensor(math.nan), np.float32(math.inf)])
def test_a_metric_that_is_not_finite_stops_the_run(tmp_path: Path, value: Any) -> None:
    with make(tmp_path / "search") as folder:
        with pytest.raises(UserError, match=r"penalty is -?(nan|inf) at step 12: the run diverged"):
            folder.log_metrics(12, loss=1.0, penalty=value)
        assert not (folder.path / "metrics.jsonl").exists()


def test_a_timing_that_is_not_finite_is_null(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder:
        folder.log_timing(1, rate=math.inf, seconds=0.5)
    assert read_jsonl(folder.path / "timing.jsonl") == [{"step": 1, "rate": None, "seconds": 0.5}]


@pytest.mark.parametrize("record", [{}, {"step": "1"}, {"step": 1.0}, {"step": True}, {"epoch": 1}])
def test_a_record_without_a_step_could_not_be_cut_back(tmp_path: Path, record: dict) -> None:
    with make(tmp_path / "search") as folder, pytest.raises(ValueError, match="step"):
        folder.append("alpha.jsonl", record)


def test_a_log_line_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder, pytest.raises(UserError, match=r"alpha\.jsonl is not finite at step 3"):
        folder.append("alpha.jsonl", {"step": 3, "U0->N1": {"skip": float("nan")}})


def test_a_log_of_another_ending_would_not_be_found_again(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder, pytest.raises(ValueError, match="jsonl"):
        folder.append("alpha.txt", {"step": 1})


def test_logs_are_cut_back_to_the_step(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder:
        for step in range(1, 7):
            folder.log_metrics(step, loss=step / 3)
            folder.log_timing(step, seconds=1.0)
        folder.append("alpha.jsonl", {"step": 3, "edges": {}})
        folder.append("alpha.jsonl", {"step": 6, "edges": {}})
        whole = (folder.path / "metrics.jsonl").read_bytes()
        folder.truncate_logs(4)
        cut = (folder.path / "metrics.jsonl").read_bytes()
        assert cut == b"".join(whole.splitlines(keepends=True)[:4])
        assert [record["step"] for record in read_jsonl(folder.path / "alpha.jsonl")] == [3]
        assert len(read_jsonl(folder.path / "timing.jsonl")) == 4
        for step in (5, 6):
            folder.log_metrics(step, loss=step / 3)
        assert (folder.path / "metrics.jsonl").read_bytes() == whole
        folder.truncate_logs(-1)
        assert (folder.path / "metrics.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    "tail", [b'{"step": 3, "lo', b'{"step": 3', b"{", b"\x00\x00\x00", b"\xff\xfe{}", b'"step"', b"[" * 100_000]
)
def test_a_half_written_last_line_goes_away(tmp_path: Path, tail: bytes) -> None:
    with make(tmp_path / "search") as folder:
        folder.log_metrics(1, loss=0.5)
        folder.log_metrics(2, loss=0.25)
        path = folder.path / "metrics.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole + tail)
        assert len(read_jsonl(path)) == 2
        folder.truncate_logs(10)
        assert path.read_bytes() == whole
        path.write_bytes(whole[:-1])  # only the line's end is missing
        folder.truncate_logs(10)
        assert path.read_bytes() == whole


# ---------------------------------------------------------------------------------------------------- going on


def test_stopped_and_resumed_logs_have_the_bytes_of_a_straight_run(tmp_path: Path) -> None:
    def run(path: Path, until: int, resume: bool) -> None:
        with make(path, resume=resume) as folder:
            found = folder.restore(no_warning)
            step, total = (0, 0) if found is None else (found[0], found[1]["total"])
            while step < until:
                step += 1
                total += step * step
                folder.log_metrics(step, mean=total / step)
                if step % 4 == 0:
                    folder.save(step, {"total": total})

    run(tmp_path / "straight", 20, resume=False)
    run(tmp_path / "stopped", 3, resume=False)  # stopped before its first checkpoint: starts afresh
    run(tmp_path / "stopped", 7, resume=True)
    run(tmp_path / "stopped", 8, resume=True)
    run(tmp_path / "stopped", 18, resume=True)
    run(tmp_path / "stopped", 20, resume=True)
    assert (tmp_path / "stopped/metrics.jsonl").read_bytes() == (tmp_path / "straight/metrics.jsonl").read_bytes()


def test_restore_passes_the_warning_on(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder:
        for step in (1, 2):
            folder.log_metrics(step, loss=0.0)
            folder.save(step, {"step": step})
        (folder.checkpoints / "step-00000002" / "tree.json").write_text("")
    lines: list[str] = []
    with make(tmp_path / "search", resume=True) as folder:
        assert folder.restore(lines.append) == (1, {"step": 1})
        assert len(read_jsonl(folder.path / "metrics.jsonl")) == 1
    assert len(lines) == 1


def test_write_json_is_whole_and_refuses_nan(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder:
        folder.write_json("scores.json", {"fid": 1.5, "path": Path("/x"), "name": "é"})
        with pytest.raises(ValueError, match="JSON"):
            folder.write_json("scores.json", {"fid": math.nan})
    assert (folder.path / "scores.json").read_text(encoding="utf-8") == (
        '{\n  "fid": 1.5,\n  "path": "/x",\n  "name": "é"\n}\n'
    )


@pytest.mark.parametrize("write", ["log_metrics", "write_json", "save", "mark_done"])
def test_a_full_disk_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with make(tmp_path / "search") as folder:
        folder.save(1, {"a": 1})
        monkeypatch.setattr(os, "fsync", full)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(UserError, match=f"{folder.path}.*: the disk is full"):
            {
                "log_metrics": lambda: folder.log_metrics(2, loss=0.0),
                "write_json": lambda: folder.write_json("x.json", {}),
                "save": lambda: folder.save(2, {"a": 2}),
                "mark_done": folder.mark_done,
            }[write]()
        monkeypatch.undo()
        assert not folder.done()
    with make(tmp_path / "search", resume=True) as folder:
        assert folder.restore(no_warning) == (1, {"a": 1})


def test_open_files_stay_bounded(tmp_path: Path) -> None:
    with make(tmp_path / "search") as folder:
        before = len(os.listdir("/proc/self/fd"))
        for step in range(1, 50):
            folder.log_metrics(step, loss=0.0)
            folder.append("alpha.jsonl", {"step": step})
        assert len(os.listdir("/proc/self/fd")) == before


# ---------------------------------------------------------------------------------------------------- ranks, imports


def test_other_ranks_take_no_lock_and_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make(tmp_path / "search") as main:
        main.log_metrics(1, loss=0.5)
        main.save(1, {"a": 1})
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        content = {path: path.read_bytes() for path in main.path.rglob("*") if path.is_file()}
        with make(tmp_path / "search", resume=True) as other:
            assert not other.writes
            assert load_like_a_rank(other) == (1, {"a": 1})
        assert content == {path: path.read_bytes() for path in main.path.rglob("*") if path.is_file()}


def load_like_a_rank(folder: StageFolder) -> tuple[int, dict] | None:
    folder.log_metrics(9, loss=0.0)
    folder.save(9, {"a": 9})
    folder.mark_done()
    folder.truncate_logs(-1)
    return folder.restore(no_warning)


@pytest.mark.parametrize(("rank", "ranks"), [("3", None), ("x", "2"), ("1", "1"), ("0", "4")])
def test_stray_variables_do_not_silence_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str, ranks: str | None
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if ranks:
        monkeypatch.setenv("WORLD_SIZE", ranks)
    with make(tmp_path / "search") as folder:
        assert folder.writes


def test_the_import_brings_no_torch() -> None:
    code = "import sys, degas.runtime.run_folder; print({'torch', 'numpy', 'rich', 'accelerate'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_another_number_of_processes_resumes_the_run_of_those_that_began_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches and their order, steps of an epoch and rates depend on the number at the beginning, which stays."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with make(tmp_path / "search") as folder:
        assert folder.begun_ranks == 2
    before = (tmp_path / "search/config.json").read_bytes()
    assert json.loads(before)["num_ranks"] == 2
    for number in ("4", "1"):
        monkeypatch.setenv("WORLD_SIZE", number)
        with make(tmp_path / "search", resume=True) as folder:
            assert folder.begun_ranks == 2
        assert (tmp_path / "search/config.json").read_bytes() == before
    monkeypatch.setenv("WORLD_SIZE", "3")
    with make(tmp_path / "new", resume=True) as folder:
        assert folder.begun_ranks == 3  # nothing is there to resume


@pytest.mark.parametrize("number", ["two", 0, -1, 1.5, None, True])
def test_a_number_of_processes_that_is_none_is_one(number: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_ranks": number}))
    assert ranks_at_start(tmp_path, True) == 1


def test_a_refused_start_leaves_nothing_in_the_way_of_the_mended_command(tmp_path: Path) -> None:
    out = tmp_path / "RUN" / "search"
    with pytest.raises(UserError, match="no such device"), make(out):
        raise UserError("no such device")
    assert list(tmp_path.iterdir()) == []
    out.mkdir(parents=True)
    with pytest.raises(UserError, match="no such device"), make(out, resume=True):
        raise UserError("no such device")
    assert [path.name for path in out.iterdir()] == [".lock"]  # the folder was the user's
    make(out).close()


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints", "mine.txt"])
def test_a_run_that_did_anything_stays(name: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "search")
    (tmp_path / "search" / name).touch()
    with pytest.raises(UserError, match="diverged"), folder:
        raise UserError("diverged")
    assert (tmp_path / "search/config.json").is_file()
    (tmp_path / "search" / name).unlink()
    with pytest.raises(UserError, match="diverged"), make(tmp_path / "search", resume=True):  # one that goes on
        raise UserError("diverged")
    assert (tmp_path / "search/config.json").is_file()


def test_an_interrupted_start_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), make(tmp_path / "search"):
        raise KeyboardInterrupt
    assert (tmp_path / "search/config.json").is_file()


class Told:
    """A rank of two whom rank 0 has told `values`, in turn; `others` is how it votes."""

    num_ranks, is_main = 2, False

    def __init__(self, *values: Any, others: bool = False) -> None:
        self.values, self.others = list(values), others

    def from_main(self, value: Any) -> Any:
        return self.values.pop(0)

    def any_rank(self, flag: bool) -> bool:
        return flag or self.others


def test_other_ranks_restore_what_the_first_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make(tmp_path / "search") as main:
        for step in (1, 2):
            main.save(step, {"a": step})
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    digests = {step: checkpoint_digest(main.checkpoints, step) for step in (1, 2, 3)}
    assert len(set(digests.values())) == 3
    with make(tmp_path / "search", resume=True) as folder:
        assert folder.restore(no_warning, Told([1, digests[1]])) == (1, {"a": 1})  # rank 0 found the second damaged
        assert folder.restore(no_warning, Told([-1, ""])) is None
        for told in ([3, "x"], [2, "of another disk"]):
            with pytest.raises(UserError, match=f"checkpoint of step {told[0]} .* on a disk that all machines share"):
                folder.restore(no_warning, Told(told))
        with pytest.raises(UserError, match="on a disk that all machines share"):
            folder.restore(no_warning, Told([2, digests[2]], others=True))
        assert folder.done(Told(True))
        assert not folder.done(Told(False))
        assert not folder.known_done()
