from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_run import EPOCHS, fake_run, write_json, write_jsonl

from degas.errors import UserError
from degas.figures.film import MAX_FRAMES, thin
from degas.report import reader
from degas.report.collect import collect_run, count_saved_parameters, flatten
from degas.runtime.json_files import number


def test_a_whole_run(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    assert run.name == "run"
    assert run.notes == []
    assert run.architecture is not None
    assert [record.epoch for record in run.alpha] == list(range(1, EPOCHS + 1))
    assert set(run.alpha[0].values) == {slot.name for slot in run.architecture.graph.slots}
    assert [frame.step for frame in run.frames] == list(range(250, 1501, 250))
    assert run.num_parameters == 512 * 128  # running_mean is a buffer
    assert run.reconstructions is not None
    assert run.search is not None
    assert run.search.done
    assert "fid_1797_train[imagenet-224]" in run.scores["scores"]


@pytest.mark.parametrize("stage", ["search", "train", "evaluate"])
def test_one_stage_alone(tmp_path: Path, stage: str) -> None:
    stages = {name: name == stage for name in ("search", "train", "evaluate")}
    run = collect_run(fake_run(tmp_path / "run", **stages))
    assert list(run.stages) == [{"evaluate": "evaluation"}.get(stage, stage)]
    assert (run.architecture is not None) == (stage != "evaluate")  # the generator's config holds it too
    assert run.notes == []


def test_a_half_written_last_line_is_passed_over_in_silence(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    before = collect_run(path)
    for name in ("search/alpha.jsonl", "search/metrics.jsonl", "train/metrics.jsonl", "train/timing.jsonl"):
        with (path / name).open("ab") as file:
            file.write(b'{"step": 99999, "loss": 0.1, "epo\xce')  # cut inside a character
    after = collect_run(path)
    assert after.notes == []
    assert after.alpha == before.alpha
    assert after.search is not None
    assert before.search is not None
    assert after.search.metrics == before.search.metrics


def test_damaged_lines_and_files_are_named(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    lines = (path / "search" / "metrics.jsonl").read_text().splitlines()
    lines[3] = "not json"
    (path / "search" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (path / "search" / "config.json").write_text("{")
    (path / "search" / "architecture.json").write_text('{"format": "degas-architecture", "version": 1}')
    (path / "search" / "reconstructions.png").write_bytes(b"\x89PNG half")
    (path / "train" / "samples" / "step-000750.png").write_bytes(b"")
    run = collect_run(path)
    text = "\n".join(run.notes)
    for word in ("metrics.jsonl: 1 damaged line", "config.json", "architecture.json", "reconstructions.png", "000750"):
        assert word in text
    assert str(tmp_path) not in text
    assert run.reconstructions is None
    assert run.architecture is not None  # from the generator's config
    assert len(run.frames) == 5


def test_files_too_large_or_not_files_are_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_run(tmp_path / "run")
    (path / "train" / "metrics.jsonl").unlink()
    (path / "train" / "metrics.jsonl").mkdir()
    size = (path / "search" / "config.json").stat().st_size
    monkeypatch.setattr(reader, "MAX_JSON_BYTES", size)  # metrics.jsonl of the search is far larger
    run = collect_run(path)
    notes = "\n".join(run.notes)
    assert "train/metrics.jsonl: left out" in notes
    assert "search/metrics.jsonl: left out (file too large)" in notes
    assert "evaluation/scores.json: left out, not valid JSON (file too large)" in notes
    assert run.train is not None
    assert run.search is not None
    assert run.train.metrics == run.search.metrics == []
    assert run.search.config["search"]["width"] == 32
    assert run.scores == {}


def test_the_size_of_a_generator_that_only_was_measured(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", search=False, train=False)
    for count, expected in ((1234, 1234), (True, None), ("many", None)):
        facts = {"scores": {"fid": {"value": 1.0}}, "generator": {"num_parameters": count}}
        write_json(path / "evaluation" / "scores.json", facts)
        assert collect_run(path).num_parameters == expected


def test_numbers_that_are_none_never_come_through(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", train=False, evaluate=False)
    huge = 10**400
    (path / "search" / "alpha.jsonl").write_text(
        '{"epoch": 1, "U0->N1": {"skip": NaN}, "U0->U1": {"zero": 1.0}}\n'
        f'{{"epoch": 2, "U0->U1": {{"zero": {huge}}}}}\n{{"epoch": null, "U0->U1": {{"zero": 1}}}}\n[1]\n"x"\n'
    )
    run = collect_run(path)
    assert [(record.epoch, record.values) for record in run.alpha] == [(1, {"U0->U1": {"zero": 1.0}})]


def test_malformed_scores_are_left_out(tmp_path: Path) -> None:
    scores = {"a": {"value": 1.0}, "b": {"value": "x"}, "c": 3, "d": {"value": float("nan")}, "e": {}}
    write_json(tmp_path / "evaluation" / "scores.json", {"data": "odd", "scores": scores})
    run = collect_run(tmp_path)
    assert list(run.scores["scores"]) == ["a"]
    assert run.scores["data"] == {}


@pytest.mark.parametrize("value", ["[]", '"x"', "3", '{"scores": []}', '{"scores": null}', "{}", "[" * 100_000])
def test_foreign_scores(tmp_path: Path, value: str) -> None:
    fake_run(tmp_path, search=False, train=False)
    (tmp_path / "evaluation" / "scores.json").write_text(value)
    assert collect_run(tmp_path).scores == {}


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        collect_run(tmp_path / "missing")
    with pytest.raises(UserError, match="holds no search, train or evaluation"):
        collect_run(tmp_path)
    (tmp_path / "search").mkdir()
    with pytest.raises(UserError, match="holds no search, train or evaluation"):
        collect_run(tmp_path)


def test_many_sample_grids_are_thinned(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    data = (path / "train" / "samples" / "step-000250.png").read_bytes()
    for step in range(2000, 2000 + 100 * 120, 100):
        (path / "train" / "samples" / f"step-{step:06d}.png").write_bytes(data)
    steps = [frame.step for frame in collect_run(path).frames]
    assert len(steps) == MAX_FRAMES
    assert (steps[0], steps[-1]) == (250, 13_900)


def test_thin_keeps_order_and_ends() -> None:
    assert thin(range(1000), 7) == [0, 166, 333, 500, 666, 832, 999]
    assert thin([1, 2], 7) == [1, 2]


def test_number() -> None:
    good = [number(value) for value in (1, 1.5)]
    bad = [number(value) for value in (True, None, "1", float("inf"), 10**400, [])]
    assert good == [1.0, 1.5]
    assert bad == [None] * 6


def test_flatten() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_saved_parameters_of_foreign_files(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    assert count_saved_parameters(file) is None
    for data in (b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", b"\x08" + b"\0" * 7 + b'{"a": 1}'):
        file.write_bytes(data)
        assert count_saved_parameters(file) is None


def test_the_environment_of_a_search_is_read(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    assert run.search is not None
    assert run.search.environment["command"][:2] == ["degas", "search"]
    write_jsonl(tmp_path / "run" / "train" / "warnings.jsonl", [{"step": 1, "kind": "penalty", "warning": "high"}])
    again = collect_run(tmp_path / "run")
    assert again.train is not None
    assert again.train.warnings == json.loads('[{"step": 1, "kind": "penalty", "warning": "high"}]')


def test_a_folder_with_a_lock_alone_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / ".lock").touch()
    with pytest.raises(UserError, match="holds no search, train or evaluation results"):
        collect_run(tmp_path)
