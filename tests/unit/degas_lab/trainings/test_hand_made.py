"""Which generators, in which order, and what the summary says of trials whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_extractor import TinyExtractor
from toy_gan import toy_images

from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas.nets.baselines import ResnetGenerator
from degas.nets.cost import architecture_cost, count_parameters
from degas.runtime.distributed import Engine
from degas.settings.sections import EvaluateSettings, GanSettings
from degas.space.architecture import Architecture
from degas_lab.commands import hand_made as cli
from degas_lab.trainings import hand_made as module
from degas_lab.trainings.hand_made import HandMade
from degas_lab.trainings.hand_made_plan import RESNET, ROWS, Plan
from degas_lab.trainings.hand_made_summary import format_table, summarise, write_summary
from degas_lab.trainings.scorer import Scorer

DIGITS = {"width": 32, "noise_size": 128, "channels": 1}
GAN = GanSettings(objective="sn-gan", num_steps=4, width=4, batch_images=4, noise_size=6)


def measurement(folder: Path, **plan: Any) -> HandMade:
    scorer = Scorer(toy_images(16, 8), EvaluateSettings(num_samples=12), extractor=freeze(TinyExtractor()))
    settings = Plan(**{"rows": (RESNET, "up-normal"), "seeds": (3, 1), "gan": GAN, "marks": (1.0, 0.5), **plan})
    engine = Engine(device="cpu")
    return HandMade(toy_images(16, 8), settings, folder, scorer, engine=engine, say=lambda line: None)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("up-normal", 105_697),
        ("normal-up", 105_697),
        ("up-normal-n2", 124_257),
        ("normal-up-n2", 124_257),
        ("up-normal-direct", 103_521),
        ("up-normal-separable", 94_689),
        ("up-normal-residual-3x3", 122_081),
        ("up-normal-deconv", 120_033),
        ("normal-up-deconv", 120_033),
    ],
)
def test_rows_have_the_parameters_that_they_were_first_measured_with(name: str, parameters: int) -> None:
    row = ROWS[name]
    assert row is not None
    assert architecture_cost(row.architecture(16, **DIGITS)).num_parameters == parameters


def test_resnet_has_the_parameters_that_it_was_first_measured_with() -> None:
    assert count_parameters(ResnetGenerator(**DIGITS, base_size=4, num_stages=2)) == 105_761


def test_up_first_is_the_block_of_resnet() -> None:
    """Nearest ×2 and a 3×3 convolution, a 3×3 convolution, and a shortcut of nearest ×2 and a 1×1 convolution."""
    row = ROWS["up-normal"]
    assert row is not None
    edges = {f"{e.source}->{e.target}": e.operation for e in row.architecture(16, **DIGITS).edges}
    assert edges == {
        **dict.fromkeys(("U0->N1", "U1->N2"), "nearest_conv_3x3"),
        **dict.fromkeys(("N1->U1", "N2->U2"), "conv_3x3"),
        **dict.fromkeys(("U0->U1", "U1->U2"), "nearest_conv_1x1"),
    }


def test_trials_go_seed_by_seed_and_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measurement(tmp_path)
    assert list(first.order()) == [(RESNET, 3), ("up-normal", 3), (RESNET, 1), ("up-normal", 1)]
    first.measure()
    records = first.trials.records()
    assert sorted(records) == ["resnet-s1", "resnet-s3", "up-normal-s1", "up-normal-s3"]
    assert [mark["steps"] for mark in records["up-normal-s3"]["history"]] == [2, 4]
    monkeypatch.setattr(module, "train_and_score", None)  # nothing is left to train
    measurement(tmp_path).measure()
    added = measurement(tmp_path, seeds=(3, 1, 2))
    with pytest.raises(TypeError):
        added.measure()


def test_a_file_is_a_row_at_the_sizes_of_all(tmp_path: Path) -> None:
    row = ROWS["normal-up"]
    assert row is not None
    row.architecture(16, width=9, noise_size=20, channels=1).save(tmp_path / "own.json")
    found = measurement(tmp_path / "out", rows=(str(tmp_path / "own.json"),))
    own = Architecture.from_dict(found.rows["own"]["architecture"])
    assert (own.image_size, own.width, own.noise_size, own.channels) == (8, 4, 6, 3)


def test_a_file_is_a_row_with_either_start(tmp_path: Path) -> None:
    file = str(architecture_file(tmp_path / "own.json"))
    rows = measurement(tmp_path / "out", rows=(file, f"{file}@resnet-start")).rows
    assert {name: row["gan"] for name, row in rows.items()} == {
        "own": {},
        "own-resnet-start": {"frame_start": "resnet"},
    }
    assert rows["own"]["architecture"] == rows["own-resnet-start"]["architecture"]
    with pytest.raises(UserError, match="known name 'resnet'") as caught:
        measurement(tmp_path / "out", rows=("resnet@resnet-start",))
    assert "did you mean 'resnet'" not in str(caught.value)  # which this form cannot mean


def test_what_cannot_be_measured_is_refused_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'up-normal'"):
        measurement(tmp_path, rows=("up-norml",))
    with pytest.raises(UserError, match="without labels"):
        measurement(tmp_path, gan=GAN.model_copy(update={"supervised": True}))
    for name in ("a", "b"):
        Architecture.load(architecture_file(tmp_path / name / "x.json"))
    with pytest.raises(UserError, match="--rows: two have the name 'x'"):
        measurement(tmp_path, rows=(str(tmp_path / "a" / "x.json"), str(tmp_path / "b" / "x.json")))
    assert not (tmp_path / "trials").exists()


def architecture_file(path: Path) -> Path:
    row = ROWS["up-normal"]
    assert row is not None
    row.architecture(8, width=4, noise_size=6, channels=3).save(path)
    return path


def test_a_trial_of_another_generator_is_not_taken_for_the_rows(tmp_path: Path) -> None:
    found = measurement(tmp_path, seeds=(3,))
    found.measure()
    path = tmp_path / "trials" / "up-normal-s3.json"
    record = json.loads(path.read_text())
    record["generator"]["architecture"]["nodes"]["N1"][0]["operation"] = "deconv_4x4"
    path.write_text(json.dumps(record))
    with pytest.raises(
        UserError, match=r"up-normal-s3.json: is a trial of another generator than the current up-normal"
    ):
        measurement(tmp_path, seeds=(3,)).measure()


def test_other_settings_are_refused_and_new_ones_are_not(tmp_path: Path) -> None:
    measurement(tmp_path)
    path = tmp_path / "trials" / "settings.json"
    settings = json.loads(path.read_text())
    del settings["gan"]["horizontal_flip"]  # as if it had not been there yet
    path.write_text(json.dumps(settings))
    measurement(tmp_path)
    assert json.loads(path.read_text())["gan"]["horizontal_flip"] is False
    with pytest.raises(UserError, match="holds trials of other settings"):
        measurement(tmp_path, gan=GAN.model_copy(update={"horizontal_flip": True}))


def known_records() -> dict[str, dict[str, Any]]:
    """`good` is 10 better than `resnet` in every seed, `same` as good on the whole; one training diverged."""
    offsets = {"resnet": (0.0, 0.0, 0.0), "good": (-10.0, -10.5, -9.5), "same": (2.0, -2.5, 0.6)}
    records = {}
    for row, shifts in offsets.items():
        for seed, shift in enumerate(shifts):
            value = 40 + 7 * seed + shift
            history = [{"fid": value + 4, "kid": 0.2}, {"fid": value, "kid": value / 1000}]
            facts = {"num_parameters": 1234, "processor_seconds": 60.0, "history": history}
            records[f"{row}-s{seed}"] = {"row": row, "seed": seed, **facts}
    failed = {**records["same-s0"], "seed": 3, "history": [], "failed": "loss is nan"}
    return {**records, "same-s3": failed}


def test_the_summary_compares_within_seeds() -> None:
    summary = summarise(known_records(), against=RESNET, score="fid")
    assert [row["row"] for row in summary["rows"]] == ["good", "same", "resnet"]
    good, same, resnet = summary["rows"]
    assert (good["paired"]["words"], same["paired"]["words"]) == ("better by 10.0", "not told apart")
    assert (good["mean"], same["num_diverged"], resnet["paired"]) == (pytest.approx(37.0), 1, None)
    assert summary["components"]["last mark"]["seed"] == pytest.approx(7.0, rel=0.2)
    assert summarise(known_records(), against=RESNET, score="kid")["rows"][0]["mean"] == pytest.approx(37.0)


def test_the_table_is_written(tmp_path: Path) -> None:
    summary = write_summary(known_records(), tmp_path, against=RESNET, score="fid")
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    text = (tmp_path / "table.md").read_text()
    assert text == format_table(summary)
    assert "| `good` | 1,234 | 3 | 37.0 | −10.0 | −11.2 to −8.8 | better by 10.0 | 60 |" in text
    assert "| `same` | 1,234 | 3 (1 diverged) |" in text
    assert "3 rows × 3 seeds" in text


def test_a_row_that_no_trial_is_of_cannot_be_compared_with(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--against: no finished trial of a row 'resnett'; did you mean 'resnet'"):
        summarise(known_records(), against="resnett", score="fid")
    options = cli.Options(source="digits", out=tmp_path, rows=("up-normal",), against="dcgan")
    with pytest.raises(UserError, match="--against: 'dcgan' is neither a row nor that of a finished trial; add it"):
        cli.main(options)
    assert not list((tmp_path / "trials").glob("*-s*.json"))
