"""What may differ between a run and the command that resumes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime.comparison import Rules, differences, reject_difference
from degas.runtime.json_files import as_json

RULES = Rules(
    ignored=frozenset(["data.source", "search.log_steps", "found.by"]),
    defaults={"search.new": 0},
    sentences={"data.num_images": "{old} → {new} images", "data.fingerprint": "other pixels"},
)
OLD = {"data": {"source": "a", "fingerprint": "x1", "num_images": 40}, "search": {"width": 4, "log_steps": 10}}


def changed(section: str, **values: object) -> dict[str, dict[str, object]]:
    return {**OLD, section: {**OLD[section], **values}}


def test_equal_settings_pass_whatever_the_order_of_their_keys() -> None:
    old = as_json({"a": {"x": (1, 2), "y": 1e-3}, "b": None})
    reject_difference(Path("RUN"), old, as_json({"b": None, "a": {"y": 0.001, "x": [1, 2]}}))


def test_several_differences_are_named_at_once() -> None:
    old = {"a": {"x": 1, "y": 2}, "b": 3}
    with pytest.raises(UserError, match=r"cannot resume: a\.y was 2 and is 5 now, b was 3 and is 4 now; resume with"):
        reject_difference(Path("RUN"), old, {"b": 4, "a": {"x": 1, "y": 5}})
    many = dict.fromkeys("abcde", 0)
    told = differences({"s": many}, {"s": dict.fromkeys(many, 1)}, Rules())
    assert told == "s.a was 0 and is 1 now, s.b was 0 and is 1 now, s.c was 0 and is 1 now, and 2 more"
    with_sentence = differences(OLD, changed("data", num_images=41) | {"search": {"width": 9}}, RULES)
    assert with_sentence == "40 → 41 images"
    with pytest.raises(UserError, match=r"b was 3 and is unset now"):
        reject_difference(Path("RUN"), old, {"a": {"x": 1, "y": 2}, "c": 1})


@pytest.mark.parametrize(
    "new",
    [
        changed("data", source="/elsewhere/a"),
        changed("search", log_steps=1),
        changed("search", new=0),
        {**OLD, "found": {"by": {"seed": 1}}},
    ],
)
def test_what_changes_no_result_may_differ_either_way(new: dict) -> None:
    new.setdefault("found", {})
    assert differences({**OLD, "found": {}}, new, RULES) == ""
    assert differences(new, {**OLD, "found": {}}, RULES) == ""


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (changed("data", num_images=41, fingerprint="x2"), "40 → 41 images"),
        (changed("data", fingerprint="x2"), "other pixels"),
        (changed("search", new=1), "search.new was 0 and is 1 now"),
        (changed("search", width=5, log_steps=1), "search.width was 4 and is 5 now"),
        (changed("search", unknown=2), "search.unknown was unset and is 2 now"),
    ],
)
def test_what_changes_the_result_is_told_in_words(new: dict, told: str) -> None:
    assert differences(OLD, new, RULES) == told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"path": "a", "print": 1}, {"path": "b", "print": 1}, ""),
        ({"path": "a", "print": 1}, {"path": "a", "print": 2}, "other weights"),
        ({"path": "a"}, {"path": "a", "print": 1}, ""),
        ({"path": "a", "print": 1}, {"path": "b"}, 'part.path was "a" and is "b" now'),
        ({"path": None}, {"path": "b", "print": 1}, 'part.path was null and is "b" now'),
    ],
)
def test_a_path_counts_only_where_its_content_is_not_told(old: dict, new: dict, told: str) -> None:
    rules = Rules(sentences={"part.print": "other weights"}, contents={"part.path": "part.print"})
    assert differences({"part": old}, {"part": new}, rules) == told


def test_a_setting_that_is_unset_equals_one_that_a_release_did_not_have() -> None:
    reject_difference(Path("RUN"), {"gan": {"a": 1}, "old": None}, {"gan": {"a": 1, "critic": None}})
    with pytest.raises(UserError, match=r"gan\.critic was unset and is \"mine\" now"):
        reject_difference(Path("RUN"), {"gan": {"a": 1}}, {"gan": {"a": 1, "critic": "mine"}})


def test_of_long_paths_the_ends_are_shown() -> None:
    old, new = ({"path": f"/{'folder/' * 20}{name}"} for name in "ab")
    told = differences(old, new, Rules())
    assert 'folder/a" and is' in told
    assert told.endswith('folder/b" now')
    assert len(told) < 160
