"""The seam between a search and what it goes by, proved by a second, small signal; and the door it comes in by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import degas
from degas.data.loader import Batch
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.nas.checks import check_settings
from degas.nas.signal import REGISTERED, Finding, Signal, Terms, find_signal, register_signal
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]
SOURCE = Path(degas.__file__).parent


class Regression(Signal):
    """Fixed inputs, one an image, and the squared error to the image: no latents, no term of GLO's."""

    def inputs(self, index: Tensor) -> Tensor:
        rows = torch.randn(self.images.num_images, self.noise_size, generator=torch.Generator().manual_seed(7))
        return rows[index]

    def loss(self, fake_images: Tensor, batch: Batch) -> Terms:
        return {"squared_error": (fake_images - to_symmetric(batch.images)).square().mean()}

    def findings(self, *_: Any) -> list[Finding]:
        return [Finding("regression", "targets", "what", "mend")]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_signal("regression")(Regression)
    yield
    del REGISTERED._things["regression"]


def search(images: Any, out: Path, **changes: Any) -> Any:
    small = {"width": 4, "noise_size": 6, "num_epochs": 3, "batch_images": 8, "log_steps": 1, "measuring_batches": 2}
    settings = {**small, "signal": "regression", **changes}
    return degas.search(images, out, search=settings, space=SpaceSettings(), device="cpu", progress=False, resume=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("schedule", ["joint", "alternate"])
@pytest.mark.parametrize("rule", ["paper", "alone", "perturbation"])
def test_another_signal_searches_prunes_and_writes_its_own_terms(
    rule: str, schedule: str, tmp_path: Path, make_images: Make
) -> None:
    changes = {"prune": rule, "schedule": schedule, "weight_lr": 1e-2, "num_epochs": 8}
    found = search(make_images(), tmp_path, **changes)
    folder = tmp_path / "search"
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(record["loss"] == record["squared_error"] for record in records)
    assert not {"l2", "lap1", "latent_gradient_norm"} & set(records[0])
    assert records[-1]["epoch_loss"] < 0.8 * records[2]["epoch_loss"]
    alpha = [json.loads(line) for line in (folder / "alpha.jsonl").read_text().splitlines()]
    assert alpha[0]["U0->N1"] != alpha[-1]["U0->N1"]
    pruning = json.loads((folder / "pruning.json").read_text())
    assert (pruning["rule"], "perturbation" in pruning) == (rule, rule != "paper")
    assert found.provenance["search"]["signal"] == "regression"
    assert "regression" in [record["kind"] for record in json.loads((folder / "degenerate.json").read_text())]
    assert not list(folder.glob("*constructions.png"))  # a signal draws what it has


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_another_signal_killed_and_resumed_ends_with_the_same_bytes(
    tmp_path: Path, make_images: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = make_images()
    whole = search(images, tmp_path / "whole", checkpoint_steps=4)
    step_of = Search.step
    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", lambda self, step: step_of(self, step) if step < 6 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            search(images, tmp_path / "halves", checkpoint_steps=4)
    assert search(images, tmp_path / "halves", checkpoint_steps=4) == whole
    for name in ("metrics.jsonl", "alpha.jsonl", "mixing.jsonl", "pruning.json", "degenerate.json"):
        assert (tmp_path / "whole/search" / name).read_bytes() == (tmp_path / "halves/search" / name).read_bytes(), name


def test_a_step_on_alpha_takes_the_signals_loss_on_its_inputs(make_images: Make, make_settings: Make) -> None:
    given: dict[str, Any] = {"seed": 0, "engine": Engine(device="cpu")}
    made = Search(make_images(), make_settings(signal="regression"), SpaceSettings(), **given)
    batch = made.weight_batches(0)
    made.alpha_step(batch, 0)
    alphas = made.supernet.alphas()
    gradients = [alpha.grad for alpha in alphas]
    twin = Search(make_images(), make_settings(signal="regression"), SpaceSettings(), **given)
    fakes = twin.supernet(twin.signal.inputs(batch.index))
    expected = torch.autograd.grad((fakes - to_symmetric(batch.images)).square().mean(), twin.supernet.alphas())
    for mine, its in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-7)


def test_a_signal_that_is_not_replayable_is_refused_with_graphs(make_settings: Make) -> None:
    with pytest.raises(UserError, match=r"--search.signal regression makes every step different"):
        check_settings(make_settings(signal="regression", cuda_graphs=True))


def test_a_loss_that_is_not_finite_names_the_signals_own_term(
    tmp_path: Path, make_images: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Regression, "loss", lambda self, fakes, batch: {"squared_error": fakes.sum() * torch.nan})
    with pytest.raises(UserError, match=r"squared_error is nan at step 1; lower --search.weight-lr$"):
        search(make_images(), tmp_path)


def test_an_entry_point_of_another_package_brings_its_own(
    tmp_path: Path, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign_signal.py").write_text(
        "from degas.nas.glo.glo import Glo\nfrom degas.nas.signal import register_signal\n\n"
        "@register_signal('foreign')\nclass Foreign(Glo):\n    pass\n"
    )
    (tmp_path / "foreign-1.0.dist-info").mkdir()
    (tmp_path / "foreign-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (tmp_path / "foreign-1.0.dist-info" / "entry_points.txt").write_text("[degas.signals]\nforeign = foreign_signal\n")
    with pytest.raises(
        UserError, match=r"--search.signal: unknown search signal 'foreign'; known are .*glo, regression"
    ):
        find_signal(make_settings(signal="foreign"))
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert find_signal(make_settings(signal="foreign")).__name__ == "Foreign"
    finally:
        REGISTERED._things.pop("foreign", None)


def test_nothing_but_glo_knows_of_latents_and_of_its_terms() -> None:
    """The rest of the search and the reports; a setting's name may stand where settings are."""
    for path in sorted((SOURCE / "nas").rglob("*.py")):
        if (
            path.parent.name != "glo" and path.name != "inversion.py"
        ):  # which fits latents to images, and searches nothing
            text = path.read_text().lower()
            assert not [word for word in ("latent", "lap1", '"l2"', "further_terms") if word in text], path
