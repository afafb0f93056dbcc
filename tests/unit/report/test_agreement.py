from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from degas.figures.agreement import agreement_text, draw_agreement
from degas.report.agreement import agreement_rows, agreement_section


def made(num_seeds: int = 3, **more: Any) -> dict[str, Any]:
    seeds = list(range(num_seeds))
    decisions = [
        {
            "name": name,
            "consensus": consensus,
            "share_of_seeds": 1 - 1 / num_seeds,
            "share_of_pairs": 1 / 3,
            "choices": {str(seed): other if seed == 1 else consensus for seed in seeds},
            "margins": {str(seed): None if seed == 0 else 0.01 * seed for seed in seeds},
        }
        for name, consensus, other in (("N1 direct", "skip", "conv_1x1"), ("U1 residual", "U0->U1 deconv_4x4", "none"))
    ]
    figures = {"seeds": seeds, "num_decisions": 2, "mean_equal_decisions": 1.25, "chance": 0.3, "kendall_tau": 0.5}
    return {
        **figures,
        "mean_equal_decisions_interval": [0.5, 2.0],
        "kendall_tau_interval": None,
        "decisions": decisions,
        **more,
    }


def test_the_sentence_has_the_figures() -> None:
    words = agreement_text(made())
    assert words == (
        "3 seeds agree on 1.2 of 2 decisions (95 %: 0.5 to 2.0), 0.3 by chance; Kendall's τ on an edge 0.50"
    )
    assert "τ" not in agreement_text(made(kendall_tau=None))
    stays = agreement_text(made(mean_consensus_without=1.5))
    assert stays == f"{words}; without one of the seeds the consensus keeps 1.5"


def test_the_rows_name_who_chose_otherwise() -> None:
    first, second = agreement_rows(made())
    assert first["others"] == "conv_1x1 (seed 1)"
    assert (first["seeds"], first["pairs"], first["margins"]) == ("67 %", "33 %", "0.010 to 0.020")
    assert second["consensus"] == "U0->U1 deconv_4x4"
    changed = made()
    changed["decisions"][0]["choices"]["2"] = "conv_1x1"
    assert agreement_rows(changed)[0]["others"] == "conv_1x1 (seeds 1, 2)"


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"seeds": 5},
        {"decisions": "all"},
        {"seeds": [0], "num_decisions": "9", "mean_equal_decisions": None, "chance": 1.0},
        {"decisions": [None, 3, {"name": "N1"}, {"share_of_seeds": 1, "share_of_pairs": 1, "choices": []}]},
    ],
)
def test_a_foreign_file_shows_nothing(foreign: dict[str, Any]) -> None:
    assert agreement_section(foreign) is None
    assert agreement_rows(foreign) == []


@pytest.mark.parametrize("num_seeds", [2, 3, 20])
def test_the_picture_is_the_same_every_time_and_colours_who_chose_otherwise(num_seeds: int, tmp_path: Path) -> None:
    for name in "ab":
        draw_agreement(made(num_seeds), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert not list(tmp_path.glob(".*"))
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).reshape(-1, 3)
    blue, pink = ((pixels == colour).all(1).sum() for colour in ((0xCF, 0xE1, 0xF7), (0xF9, 0xD5, 0xDF)))
    assert pink > 1000
    assert blue / pink == pytest.approx(num_seeds - 1, rel=0.2)
