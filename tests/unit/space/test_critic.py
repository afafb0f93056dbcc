"""Critic layouts: the file, its checks, the stages at an image size, and the critics that ship."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from degas.errors import UserError
from degas.space.critic import LARGEST_LAST_MAP, CriticLayout, CriticStage
from degas.space.find_critic import load_critic, shipped_critic, shipped_critics

MIXED = CriticLayout(
    (CriticStage("blur_pool"), CriticStage("max_pool", ("skip", "conv_1x1")), CriticStage("mean_pool", repeat=True)),
    {"method": "by hand"},
)


def changed(**changes: Any) -> dict[str, Any]:
    return {**MIXED.to_dict(), **changes}


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "critic.json"
    MIXED.save(path)
    again = CriticLayout.load(path)
    assert again == MIXED
    assert again.provenance == MIXED.provenance
    assert again.to_json() == path.read_text()
    assert [each.name for each in path.parent.iterdir()] == ["critic.json"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the results of searches are: a mark that the search is done may be on the disk a moment later."""
    done, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("sync"))
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append("replace"), replace(old, new)))
    MIXED.save(tmp_path / "critic.json")
    assert done == ["sync", "replace", "sync"]  # the content, the name, the folder


def test_the_digest_is_that_of_the_stages() -> None:
    assert CriticLayout(MIXED.stages, {"seed": 7}).digest == MIXED.digest
    others = [
        CriticLayout(MIXED.stages[:2]),
        CriticLayout((*MIXED.stages[:2], CriticStage("mean_pool"))),
        CriticLayout((MIXED.stages[0], CriticStage("max_pool", ("conv_1x1", "skip")), MIXED.stages[2])),
    ]
    assert len({MIXED.digest, *(other.digest for other in others)}) == 4


@pytest.mark.parametrize("image_size", range(2, 200))
def test_a_repeated_stage_makes_the_last_map_small_enough_and_no_smaller(image_size: int) -> None:
    """One halving after the other, counted by hand."""
    stages = shipped_critic("resnet").at_size(image_size)
    size, needed = image_size, 0
    while size > LARGEST_LAST_MAP:
        size, needed = -(-size // 2), needed + 1
    assert len(stages) == max(2, needed)
    assert not any(stage.repeat for stage in stages)
    assert [stage.normal for stage in stages] == [()] * (len(stages) - 1) + [("residual", "residual")]


@pytest.mark.parametrize(
    ("stages", "image_size", "message"),
    [
        (1, 32, None),
        (1, 33, "critic: 1 stage is too few for 33 px: the last map has 17 px and may have 16; add 1, or give a stage"),
        (2, 128, "critic: 2 stages are too few for 128 px: the last map has 32 px and may have 16; add 1, or give"),
        (3, 8, None),
        (4, 8, "critic: 4 stages are too many for 8 px: 3 leave one pixel; remove 1"),
        (3, 5, None),
        (6, 5, "critic: 6 stages are too many for 5 px: 3 leave one pixel; remove 3"),
    ],
)
def test_the_number_of_stages_must_suit_the_image_size(stages: int, image_size: int, message: str | None) -> None:
    layout = CriticLayout((CriticStage("mean_pool"),) * stages)
    if message is None:
        layout.check_size(image_size)
        return
    with pytest.raises(UserError) as caught:
        layout.check_size(image_size)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "f: must be a JSON object"),
        (changed(format="degas-architecture"), "f: not a critic file ('format' must be 'degas-critic')"),
        (changed(version=2), "f: critic file version 2 is not 1; update degas"),
        (changed(version=True), "f: critic file version True is not 1; update degas"),
        (changed(stage=[]), "f: unknown key 'stage'; did you mean 'stages'?"),
        (changed(stages={}), "f: 'stages' must be a list of objects with 'down' and 'normal'"),
        (changed(stages=["mean_pool"]), 'f: stage 1 must be an object such as {"down": "mean_pool", "normal": ['),
        (changed(stages=[{"normal": []}]), "f: stage 1: 'down' is missing"),
        (changed(stages=[{"down": "mean_pool", "normla": []}]), "f: stage 1: unknown key 'normla'; did you mean 'nor"),
        (
            changed(stages=[{"down": "mean_pool", "normal": "skip"}]),
            "f: stage 1: 'normal' must be a list of",
        ),
        (changed(stages=[{"down": "mean_pool", "repeat": 1}]), "f: stage 1: 'repeat' must be true or false, not 1"),
        (changed(stages=[]), "f: must have 1 to 10 stages, not 0"),
        (changed(stages=[{"down": "mean_pool"}] * 11), "f: must have 1 to 10 stages, not 11"),
        (changed(stages=[{"down": "mean_pool", "repeat": True}]), "f: one stage may repeat, beside at least one"),
        (changed(stages=[{"down": "mean_pol"}]), "f: stage 1: unknown down operation 'mean_pol'; did you mean 'mean_"),
        (changed(stages=[{"down": "conv_3x3"}]), "f: stage 1: 'down' takes a down operation, but conv_3x3 is a normal"),
        (changed(stages=[{"down": ["a"]}]), "f: stage 1: an operation must be a name, not ['a']"),
        (
            changed(stages=[{"down": "max_pool"}, {"down": "max_pool", "normal": ["max_pool"]}]),
            "f: stage 2: 'normal' takes a normal operation, but max_pool is a down one; give another",
        ),
        (
            changed(stages=[{"down": "max_pool", "normal": ["skip"] * 9}]),
            "f: stage 1: has 9 normal operations; at",
        ),
        (changed(provenance=[]), "f: 'provenance' must be an object"),
        (changed(provenance={"a": float("nan")}), "f: 'provenance' holds a number or a text that JSON cannot hold"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        CriticLayout.from_dict(data, "f")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json: cannot be read: No such file or directory; give a critic\.json"):
        CriticLayout.load(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"format":')
    with pytest.raises(UserError, match=r"half\.json: not valid JSON"):
        CriticLayout.load(tmp_path / "half.json")


def test_a_critic_by_file_folder_and_name(tmp_path: Path) -> None:
    MIXED.save(tmp_path / "run" / "critic" / "critic.json")
    for name in (tmp_path / "run", tmp_path / "run" / "critic", tmp_path / "run" / "critic" / "critic.json"):
        assert load_critic(str(name), "--gan.critic") == MIXED
    assert load_critic("resnet", "--gan.critic") == shipped_critic("resnet")
    with pytest.raises(UserError, match=r"--gan\.critic: .* holds no critic\.json; give the file, or the folder of"):
        load_critic(str(tmp_path), "--gan.critic")
    with pytest.raises(UserError, match=r"--gan\.critic: unknown critic 'resnett'; known are mine, resnet; give"):
        load_critic("resnett", "--gan.critic", ["mine"])


@pytest.mark.parametrize("name", ["../resnet", "resnet.json", "", "RESNET"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UserError, match="comes with degas"):
        shipped_critic(name)


@pytest.mark.parametrize("name", shipped_critics())
def test_shipped_files_are_as_degas_writes_them(name: str) -> None:
    path = Path(load_critic.__code__.co_filename).parent / "critics" / f"{name}.json"
    assert CriticLayout.load(path).to_json() == path.read_text()
    assert json.loads(path.read_text())["provenance"]
