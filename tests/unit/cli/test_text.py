from __future__ import annotations

from pathlib import Path
from typing import Any

from degas.cli.text import (
    agreement_in_words,
    decisions_in_words,
    operations_in_words,
    pictures_in_words,
    scores_in_words,
)
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace


def decision(name: str, choice: str, runner_up: str = "", margin: float | None = None, *differs: str) -> dict[str, Any]:
    return {"name": name, "choice": choice, "runner_up": runner_up, "margin": margin, "differs_under": list(differs)}


def test_every_decision_is_a_line_with_its_margin_and_rivals() -> None:
    found = [
        decision("N1 direct", "skip", "conv_1x1", 0.01234, "centred", "softmax_times_k"),
        decision("U1 residual", "none"),
    ]
    first, second, last = decisions_in_words({"compare": "raw", "decisions": found}).splitlines()
    assert first == "  N1 direct    skip  0.0123 ahead of conv_1x1"
    assert second == "  U1 residual  none  no alternative"
    assert last == (
        "  margins are in α; another way to compare α across edges would change N1 direct (centred, softmax_times_k)"
    )
    assert "would change nothing" in decisions_in_words({"compare": "centred", "decisions": found[1:]})
    assert "centred α" in decisions_in_words({"compare": "centred", "decisions": found})


def test_given_maps_are_called_given() -> None:
    found = Architecture(2, 1, 4, 8, 16, 3, SearchSpace(2).draw(0), provenance={"prefix": {"num_stages": 1}})
    lines = operations_in_words(found).splitlines()
    assert [line.endswith("  (given)") for line in lines] == [True, True, False, False]


def test_agreement_names_the_seeds_that_chose_otherwise() -> None:
    record = {
        "name": "N1 direct",
        "consensus": "skip",
        "share_of_seeds": 0.5,
        "share_of_pairs": 0.0,
        "choices": {"0": "skip", "1": "conv_1x1"},
        "margins": {"0": None, "1": None},
    }
    figures = {"seeds": [0, 1], "num_decisions": 1, "mean_equal_decisions": 0.0, "chance": 0.1, "kendall_tau": None}
    head, line = agreement_in_words({**figures, "decisions": [record]}).splitlines()
    assert head == "2 seeds agree on 0.0 of 1 decisions, 0.1 by chance"
    assert line == "  N1 direct  skip   50 % of seeds; others conv_1x1 (seed 1)"


def test_margins_of_losses_are_called_losses_wherever_they_were_measured() -> None:
    """Several searches together decide by the mean of their losses, and pruning.json has no losses of its own."""
    text = decisions_in_words({"rule": "alone", "compare": "above_zero", "decisions": [decision("N1 direct", "skip")]})
    assert text.splitlines()[-1] == "  margins are in the loss with each operation alone on its edge"


def test_scores_end_with_the_verdict() -> None:
    entries = {"fid_5k_train": {"value": 50.0, "reference": "images"}}
    entries["fid_5k_train_floor"] = {"value": 10.0, "reference": "images"}
    lines = scores_in_words({"scores": entries}).splitlines()
    assert lines[-1] == "Samples are 5.0 times as far from your images as your images are from each other."
    assert len(scores_in_words({"scores": {"kid_5k_train": entries["fid_5k_train"]}}).splitlines()) == 1


def test_only_pictures_of_the_fit_that_are_there_are_named(tmp_path: Path) -> None:
    for name in ("architecture", "glo_samples", "critic_samples"):
        (tmp_path / f"{name}.png").touch()
    assert pictures_in_words(tmp_path) == [f"critic samples  {tmp_path / 'critic_samples.png'}"]
    (tmp_path / "critic_samples.png").rename(tmp_path / "reconstructions.png")
    assert pictures_in_words(tmp_path) == [f"reconstructions {tmp_path / 'reconstructions.png'}"]
