"""Commands that need no training, exit statuses, and one line for every mistake."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from degas.cli import commands
from degas.cli import main as cli
from degas.cli.arguments import options_of
from degas.errors import UserError
from degas.runtime.interrupts import ENDING, Interrupted, Terminated
from degas.space.architecture import Architecture


def run(*arguments: Any) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == run("--help") == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name, _ in commands.summaries())
    assert {"benchmark", "contest", "experiment"} <= {name for name, _ in commands.summaries()}


@pytest.mark.parametrize("name", [name for name, _ in commands.summaries()])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert "--" in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serach") == 2
    assert capsys.readouterr().err == "degas: unknown command 'serach'; did you mean 'search'?\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("bad\ninput"), 2),
        (KeyboardInterrupt(), 130),
        (Interrupted(), 130),
        (Terminated(), 143),
        (MemoryError(), 1),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), 1),
        (RuntimeError("a bug"), 1),
    ],
)
def test_exit_statuses(error: BaseException, status: int, monkeypatch: Any, capsys: Any) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert run("space") == status
    err = capsys.readouterr().err
    assert err.startswith("degas: ") or "a bug" in err
    assert ("out of memory" in err) == (type(error).__name__ in ("MemoryError", "OutOfMemoryError"))
    assert ("Traceback" in err) == ("a bug" in err)


def test_the_space_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("space", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["continuous"], facts["discrete"]) == (145_800_000, 18_895_680)
    assert (facts["min_parameters"], facts["max_parameters"]) == (317_827, 4_251_523)


def test_the_space_after_a_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("random", "--out", tmp_path / "a.json", "--image-size", 8)
    capsys.readouterr()
    assert run("space", "--prefix", tmp_path / "a.json", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["discrete"] == 18_895_680 // 180
    given = {f"{edge.source}->{edge.target}": [edge.operation] for edge in Architecture.load(tmp_path / "a.json").edges}
    assert {name: facts["edges"][name] for name in facts["given"]} == given
    run("space", "--prefix", tmp_path / "a.json")
    assert capsys.readouterr().out.count(" given ") == len(given)


def test_the_space_says_where_the_paper_differs_only_for_the_papers_space(capsys: pytest.CaptureFixture[str]) -> None:
    run("space")
    assert "8,890,560" in capsys.readouterr().out
    run("space", "--image-size", "16")
    assert "8,890,560" not in capsys.readouterr().out


def test_a_random_architecture_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "architecture.json"
    assert run("random", "--seed", 5, "--out", path, "--image-size", 48) == 0
    assert Architecture.load(path).image_size == 48
    capsys.readouterr()
    assert run("describe", path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) >= {"num_parameters", "multiply_adds", "nodes"}
    inside = sum(edge["num_parameters"] for edges in facts["nodes"].values() for edge in edges)
    assert inside + facts["frame"]["num_parameters"] == facts["num_parameters"]


def test_describing_draws_and_resizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "a.json", tmp_path / "a.png"
    run("random", "--out", path)
    assert run("describe", path, "--out", picture, "--width", 8, "--image-size", 64) == 0
    assert picture.stat().st_size > 1000
    assert "3×64×64" in capsys.readouterr().out


def test_random_prints_a_loadable_file_and_the_seed_decides(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for seed in (1, 1, 2):
        run("random", "--seed", seed)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    Architecture.from_dict(json.loads(texts[0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "none.json"], "none.json: cannot be read"),
        (["random", "--image-size", "30"], "image size 30"),
        (["random", "--width", "0"], "width must be a whole number"),
        (["space", "--space.up-operations", "deconv_5x5"], "unknown up operation 'deconv_5x5'"),
        (["search", "--data", "/nowhere", "--out", "x"], "/nowhere"),
        (["train", "--architecture", "resnett", "--data", "digits", "--out", "x"], "did you mean 'resnet'"),
        (["sample", "--generator", "none", "--out", "x.png"], "none"),
        (["report", "none"], "none"),
    ],
)
def test_mistakes_end_with_status_2_and_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.startswith("degas: ")
    assert err.count("\n") == 1


def fail_with(error: BaseException, monkeypatch: Any) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        ("search", "--search.batch-images"),
        ("train", "--gan.batch-images"),
        ("evaluate", "--evaluate.num-samples"),
        ("sample", "--num-images"),
        ("data", "--data.max-images"),
        ("run", "--gan.width"),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_out_of_memory_says_what_to_lower(
    error: Exception, command: str, setting: str, monkeypatch: Any, capsys: Any
) -> None:
    fail_with(error, monkeypatch)
    assert run(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("degas: out of memory; lower ")
    assert setting in err
    assert err.count("\n") == 1


def test_a_real_allocation_that_fails_is_out_of_memory(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(cli, "_dispatch", lambda arguments: torch.empty(2**62 // 4))
    assert run("search") == 1
    assert "lower --search.width" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.png"), "x.png: No space left on device; check the path"),
        (OSError(errno.EACCES, "Permission denied", "run"), "run: Permission denied; check the path, its permissions"),
        (OSError(errno.EROFS, "Read-only file system", "a", None, "b"), "b: Read-only file system"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (UnicodeEncodeError("utf-8", '{\n "x": "\udce9t",\n}', 9, 10, "surrogates not allowed"), r"\udce9t"),
    ],
)
def test_what_the_system_refuses_is_one_line(error: Exception, message: str, monkeypatch: Any, capsys: Any) -> None:
    fail_with(error, monkeypatch)
    assert run("space") == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_bug_of_ours_is_shown_whole(monkeypatch: Any, capsys: Any) -> None:
    fail_with(OSError(errno.EBADF, "Bad file descriptor"), monkeypatch)
    assert run("space") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_warning_is_one_line_and_deprecations_are_not_for_users(monkeypatch: Any, capsys: Any) -> None:
    def warn(arguments: list[str]) -> int:
        warnings.warn("the cache is\ndamaged", UserWarning, stacklevel=1)
        warnings.warn("old", FutureWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(cli, "_dispatch", warn)
    monkeypatch.setattr(cli.sys, "warnoptions", [])
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("space") == 0
    assert capsys.readouterr().err == "degas: warning: the cache is damaged\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        *((name, "terminated") for name in ("report", "benchmark", "evaluate", "sample", "data", "features", "export")),
        *((name, "terminated; continue with --resume") for name in ("search", "train")),
        *((name, "terminated; the same command continues") for name in ("run", "contest")),
        ("experiment", "terminated; the same command continues with what is missing"),
    ],
)
def test_sigterm_outside_a_loop_ends_with_143_and_says_what_the_command_can_do(
    command: str, message: str, monkeypatch: Any, capsys: Any
) -> None:
    assert status_after(signal.SIGTERM, command, monkeypatch) == 143
    assert capsys.readouterr().err == f"degas: {message}\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", [number for number in ENDING if number != signal.SIGINT])
def test_every_signal_that_ends_work_does_so_in_good_order(number: int, monkeypatch: Any, capsys: Any) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert status_after(number, "evaluate", monkeypatch) == 143
        signal.signal(number, signal.SIG_IGN)
        assert status_after(number, "evaluate", monkeypatch, seconds=0.1) == 0
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == "degas: terminated\n"


def status_after(number: int, command: str, monkeypatch: Any, seconds: float = 5) -> int:
    """The exit status of a command that gets the signal where no loop is waiting for it."""

    def killed(arguments: list[str]) -> int:
        os.kill(os.getpid(), number)
        time.sleep(seconds)
        return 0

    monkeypatch.setattr(cli, "_dispatch", killed)
    return run(command)


def test_what_to_lower_is_an_option_of_the_command() -> None:
    from option_list import commands as every_command

    names: dict[str, set[str]] = {}
    for model, name in every_command():
        names.setdefault(name.split()[0], set()).update(option.name for option in options_of(model))
    for command, lower in commands.LOWER.items():
        options = re.findall(r"--[\w.-]+", lower)
        assert options
        assert set(options) <= names[command]
    assert cli._out_of_memory("report") == "out of memory"


def test_only_commands_with_resume_are_said_to_have_it() -> None:
    for name, words in {
        **commands.GOES_ON,
        "experiment": commands.hint("experiment", commands.GOES_ON, "GOES_ON"),
    }.items():
        options = commands.find_command([name, "found-vs-random"])[0].Options
        shown = {option.name for option in options_of(options) if not option.argument.hidden}
        assert ("--resume" in shown) == ("--resume" in words), name


@pytest.mark.parametrize(("kind", "status"), [(Terminated, 143), (Interrupted, 130)])
@pytest.mark.parametrize(
    ("command", "onward"), [("train", "continue with --resume"), ("run", "the same command continues")]
)
def test_a_loop_that_saved_says_so(
    command: str, onward: str, kind: Any, status: int, monkeypatch: Any, capsys: Any
) -> None:
    fail_with(kind(), monkeypatch)
    assert run(command) == status
    assert capsys.readouterr().err == f"degas: {kind.__name__.lower()}; the state is saved; {onward}\n"


def test_a_dry_run_names_the_source_of_every_setting(tmp_path: Path, capsys: Any) -> None:
    arguments = ("--data", "digits", "--architecture", "dcgan", "--out", tmp_path / "new", "--gan.objective", "ct-gan")
    assert run("train", *arguments, "--dry-run") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "CT-GAN code" in lines["gan.penalty_weight"]
    assert "our choice" in lines["gan.num_steps"]
    assert not (tmp_path / "new").exists()


def test_random_alpha_is_pruned(capsys: Any) -> None:
    assert run("random", "--from-alpha", "--seed", 3) == 0
    drawn = Architecture.from_dict(json.loads(capsys.readouterr().out))
    assert drawn.provenance == {"method": "random α, pruned", "seed": 3}


def test_experiments_have_their_own_names_and_help(capsys: Any) -> None:
    from degas_lab.commands.experiment import EXPERIMENTS

    assert run("experiment", "--help") == 0
    listed = capsys.readouterr().out
    for name in EXPERIMENTS:
        assert f"  {name} " in listed
        assert run("experiment", name, "--help") == 0
        assert f"degas experiment {name}" in capsys.readouterr().out
    assert run("experiment", "found-vs-randm") == 2
    assert (
        capsys.readouterr().err
        == "degas: unknown command 'experiment found-vs-randm'; did you mean 'found-vs-random'?\n"
    )
    assert run("experiment") == 2
    assert "missing NAME; choose from" in capsys.readouterr().err
    assert run("experiment", "objectives", "--data", "digits", "--out", "x", "--objectives", "sngan") == 2
    assert "sngan" in capsys.readouterr().err


def test_an_experiment_prints_a_line_a_kind(tmp_path: Path, capsys: Any) -> None:
    run("random", "--image-size", 8, "--channels", 1, "--width", 4, "--noise-size", 8, "--out", tmp_path / "a.json")
    size = ("--data", "digits", "--data.max-images", 16, "--data.image-size", 8, "--search.batch-images", 8)
    numbers = ("--num-random", 1, "--num-equal", 0, "--num-epochs", 1, "--out", tmp_path / "trials")
    assert run("experiment", "found-vs-random", *size, "--architecture", tmp_path / "a.json", *numbers) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{kind} " in printed for kind in ("found", "random", "smallest", "biggest"))


TINY_EXPERIMENTS = {
    "objectives": "--objectives sn-gan --minutes 0.0001 --marks 1 --seeds 1 --rates 2e-4 --critic-steps 1 "
    "--tune-minutes 0.0001 --tune-samples 8 --num-parameters 3000 --critic-width 4 --batch-images 4 "
    "--evaluate.num-samples 8",
    "baselines": "--num-fits 3 --population 2 --num-epochs 1 --max-params 99999 --search.width 4 --search.noise-size 6",
    "search-variants": "--rows shrink two-path --seeds 1 --fit-epochs 1 --search.num-epochs 3 --search.width 4 "
    "--search.noise-size 6 --search.batch-images 8 --search.prune paper --search.plateau-share 0",
    "rank-correlation": "--num-architectures 4 --num-equal 2 --seeds 1 --num-epochs 1 --marks 1 --search.width 4 "
    "--gan.num-steps 2 --gan.width 4 --gan.batch-images 4 --evaluate.num-samples 8 --only adversarial glo-l2",
}


@pytest.mark.parametrize("name", list(TINY_EXPERIMENTS))
def test_a_measurement_writes_table_and_pictures_and_goes_on(
    name: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    from tiny_extractor import TinyExtractor

    extractor = TinyExtractor().eval()
    monkeypatch.setattr("degas.evaluation.evaluate.build_extractor", lambda settings, device: extractor)
    data = ("--data", "digits", "--data.max-images", 16, "--data.image-size", 8, "--data.cache", tmp_path / "cache")
    command = ("experiment", name, *data, "--out", tmp_path / "out", *TINY_EXPERIMENTS[name].split())
    assert run(*command) == 0, capsys.readouterr().err
    table = capsys.readouterr().out.splitlines()[-3:]
    assert any(line.startswith("| ") for line in table)
    assert (tmp_path / "out" / "table.md").read_text().splitlines()[-1] == table[-1]
    assert list((tmp_path / "out").glob("*.png"))
    trials = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*-*.json")}
    assert trials
    for again in (command, (*command, "--summary")):
        assert run(*again) == 0
        assert {path: path.stat().st_mtime_ns for path in trials} == trials
    assert run("experiment", name, *data, "--out", tmp_path / "new", *TINY_EXPERIMENTS[name].split(), "--summary") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("objectives --marks 1.5", "--marks: must be at most 1, not 1.5"),
        ("objectives --rates 0", "--rates: must be above 0, not 0"),
        ("objectives --num-parameters 5", "--num-parameters: the narrowest resnet has"),
        ("objectives --architecture resnt", "'resnt'; did you mean 'resnet'?"),
        ("baselines --max-params 5", "--max-params: the smallest architecture has"),
        ("rank-correlation --num-equal 30", "--num-equal: more than --num-architectures"),
        ("rank-correlation --gan.objective sn-gan --gan.penalty-weight 3", "--gan.penalty-weight: objective sn-gan"),
        ("rank-correlation --only glo", "--only: unknown value 'glo'"),
    ],
)
def test_a_measurement_that_cannot_be_made_says_so_in_a_line(
    arguments: str, message: str, tmp_path: Path, capsys: Any
) -> None:
    name, *options = arguments.split()
    data = ("--data", "digits", "--data.max-images", 16, "--data.image-size", 8, "--data.cache", tmp_path / "cache")
    assert run("experiment", name, *data, "--out", tmp_path / "out", *options) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len([line for line in printed.splitlines() if not line.startswith("degas: note: digits:")]) == 1


def test_a_closed_pipe_is_no_error() -> None:
    code = "import sys; from degas.cli.main import main; sys.exit(main(['space', '--json']))"
    pipe = f'{sys.executable} -c "{code}" | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True)
    assert done.returncode in (0, 120)  # 120: Python itself could not flush the closed pipe
    assert "Traceback" not in done.stderr


def test_outside_the_main_thread_no_signal_is_touched(capsys: Any) -> None:
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(run("space", "--json")))
    thread.start()
    thread.join()
    assert statuses == [0]


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_library_that_makes_another_error_of_a_signal_ends_in_good_order(
    number: int, status: int, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen when the signal came while safetensors read a file: a ValueError, and a traceback for the user."""

    def loading(arguments: list[str]) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)  # the handler runs before this is over
        except BaseException as error:
            raise ValueError("could not determine the shape of object type") from error
        return 0

    monkeypatch.setattr(cli, "_dispatch", loading)
    if number == signal.SIGINT:  # a shell's background job is started with it ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(number)
    assert run("evaluate") == status
    assert capsys.readouterr().err.startswith(f"degas: {word}")
    assert signal.getsignal(number) is before


def test_what_is_for_one_process_refuses_a_launcher(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run("space") == 2
    assert capsys.readouterr().err == (
        "degas: degas space runs in one process; start it without a launcher such as torchrun\n"
    )
