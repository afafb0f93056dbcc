"""A whole search for a critic at tiny sizes: its files, kill and resume, what α sees, refusals, and the command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_gan import toy_generator, toy_images

from degas.cli.main import main
from degas.errors import UserError
from degas.gan.settings import resolve_gan
from degas.generator.generator import Generator
from degas.nets.critic_operations import BUILDERS
from degas.settings.sections import GanSettings
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticLayout
from degas_lab.critics.runner import run_critic_search
from degas_lab.critics.search import CriticSearch
from degas_lab.critics.search_plan import Plan

GAN: dict[str, Any] = {"width": 4, "batch_images": 4, "num_steps": 4, "log_steps": 1, "checkpoint_steps": 1}
FILES = ("critic.json", "search.json", "metrics.jsonl", "alpha.jsonl")


def plan(**changes: Any) -> Plan:
    gan = {**GAN, **changes.pop("gan", {})}
    return Plan(**{"power_images": 4, "warm_share": 0.25, "gan": GanSettings(**gan), **changes})


def search(folder: Path, given: Plan | None = None, num_generators: int = 2) -> CriticLayout:
    generators = [toy_generator(kind=kind) for kind in ("resnet", "dcgan")[:num_generators]]
    return run_critic_search(
        generators, toy_images(), given or plan(), folder, device=torch.device("cpu"), progress=False
    )


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_the_files_of_a_search(tmp_path: Path) -> None:
    found = search(tmp_path / "critic")
    results = json.loads((tmp_path / "critic" / "search.json").read_text())
    choices = {one["place"]: one["choice"] for one in results["decisions"]}
    assert found == plan().space(8).layout(choices)
    assert set(results) == {"decisions", "weights", "alpha", "costs", "expected_cost", "powers"}
    assert len(results["powers"]) == 2
    for values in results["weights"].values():
        assert sum(values.values()) == pytest.approx(1.0, abs=1e-6)
    assert found.provenance["method"] == "critic search"
    assert len(set(found.provenance["generators"])) == 2
    assert str(tmp_path) not in (tmp_path / "critic" / "critic.json").read_text()
    records = [json.loads(line) for line in (tmp_path / "critic" / "alpha.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    assert len(set(records[0]["S1 down"].values())) == 1  # the weights warm up, α rests
    assert len(set(records[1]["S1 down"].values())) > 1
    found.check_size(8)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("objective", ["mmd", "ct-gan"])
def test_a_killed_search_continues_to_the_same_bytes(
    tmp_path: Path, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = plan(gan={"objective": objective})
    search(tmp_path / "whole", given)
    take = CriticSearch.step
    for at in (1, 3):

        def stop(self: CriticSearch, step: int, at: int = at) -> Any:
            if step == at:
                raise Killed
            return take(self, step)

        with monkeypatch.context() as patch:
            patch.setattr(CriticSearch, "step", stop)
            with pytest.raises(Killed):
                search(tmp_path / "cut", given)
    search(tmp_path / "cut", given)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    search(tmp_path / "cut", given)  # a finished one is only read
    with pytest.raises(UserError, match=r"cannot resume: plan\.cost_weight was 0\.1 and is 0\.5 now"):
        search(tmp_path / "cut", given.model_copy(update={"cost_weight": 0.5}))
    with pytest.raises(UserError, match="cannot resume: generators was"):
        search(tmp_path / "cut", given, num_generators=1)


def test_no_held_out_image_trains_a_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    given = plan()
    made = CriticSearch([toy_generator()], toy_images(), given, resolve_gan(given.gan), device=torch.device("cpu"))
    seen = [
        {int(row) for step in range(40) for row in batches(step).index} for batches in (made.batches, made.held_out)
    ]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(24))
    assert len(seen[1]) == 5


def test_the_step_on_alpha_lowers_its_loss_and_leaves_the_weights(tmp_path: Path) -> None:
    given = plan(warm_share=0.0, cost_weight=3.0, alpha_lr=0.1)
    made = CriticSearch([toy_generator()], toy_images(), given, resolve_gan(given.gan), device=torch.device("cpu"))
    weights = [value.clone() for value in made.critics[0].parameters()]
    losses = [float(made._move_alpha(0)["alpha_loss"]) for _ in range(6)]
    assert losses[-1] < losses[0]
    assert all(torch.equal(old, new) for old, new in zip(weights, made.critics[0].parameters(), strict=True))


def test_a_high_price_of_work_finds_the_cheapest_critic() -> None:
    given = plan(warm_share=0.0, cost_weight=1e4, alpha_lr=0.3)
    made = CriticSearch([toy_generator()], toy_images(), given, resolve_gan(given.gan), device=torch.device("cpu"))
    for step in range(30):
        made._move_alpha(step)
    for name, value in made.alpha.items():
        assert int(value.argmax()) == int(made.costs[name].argmin()), name


class Noisy(nn.Module):
    """Adds new noise in each call, so that reals and fakes are harder to tell apart."""

    def __init__(self) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return x + 3.0 * torch.randn(x.shape, generator=self.random)


def test_alpha_moves_from_an_operation_that_hides_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CRITIC_OPERATION_KINDS, "noisy", "normal")
    monkeypatch.setitem(BUILDERS, "noisy", lambda width: Noisy())
    options = {"normal_operations": ("noisy", "skip"), "down_operations": ("mean_pool",), "cost_weight": 0.0}
    sizes = {"warm_share": 0.0, "held_out": 0.5, "power_images": 12, "alpha_lr": 0.1}
    given = plan(**options, **sizes, gan={"objective": "sn-gan", "num_steps": 40})
    made = CriticSearch([toy_generator()], toy_images(), given, resolve_gan(given.gan), device=torch.device("cpu"))
    for step in range(40):
        made.step(step)
    hidden = [float(values[0].detach()) for name, values in made.mixing().items() if "normal" in name]
    assert len(hidden) == 2
    assert max(hidden) < 0.3


def test_every_critic_begins_with_the_same_weights_and_sees_its_own_fakes() -> None:
    given = plan(gan={"objective": "sn-gan"})
    pair = [toy_generator(kind="resnet"), toy_generator(kind="dcgan")]
    made = CriticSearch(pair, toy_images(), given, resolve_gan(given.gan), device=torch.device("cpu"))
    first, second = (list(each.parameters()) for each in made.critics)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    made.step(0)
    assert not all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gan": {"critic": "resnet"}}, "--gan.critic: has no meaning in a search for a critic; leave it out"),
        ({"gan": {"grow": "fade"}}, "--gan.grow: has no meaning in a search for a critic; leave it out"),
        ({"gan": {"critic": "resnet", "stop_step": 1}}, "--gan.critic --gan.stop-step: have no meaning in a search"),
        ({"gan": {"supervised": True}}, "--gan.supervised: has no meaning in a search for a critic; leave it out"),
        ({"down_operations": ("skip",)}, "--down-operations: unknown down operation 'skip'"),
        ({"held_out": 0.99}, "toy: 24 images leave too few beside --held-out 0.99; lower it, or give more images"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        search(tmp_path / "critic", plan(**changes))
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "critic").exists()


def test_generators_must_fit(tmp_path: Path) -> None:
    for generator, message in (
        (toy_generator(2), "--generators: one has classes"),
        (toy_generator(channels=1), "the generator makes 1×8×8 images"),
    ):
        with pytest.raises(UserError, match=message):
            run_critic_search([generator], toy_images(), plan(), tmp_path, device=torch.device("cpu"), progress=False)


TINY = "--data digits --data.max-images 24 --data.image-size 8 --gan.num-steps 2 --gan.width 4 --gan.batch-images 4"


def test_the_command_and_a_training_with_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for k in range(2):
        Generator.from_baseline("resnet", width=4, noise_size=6, base_size=4, num_stages=1, channels=1).save(
            Path(f"g{k}")
        )
    command = ["experiment", "critic-search", *TINY.split(), "--power-images", "4", "--out", "found", "--quiet"]
    assert main([*command, "--generators", "g0", "g1", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "S1 down" in told
    assert f"critic        {os.path.join('found', 'critic', 'critic.json')}" in told
    assert main(["experiment", "critic-search", *TINY.split(), "--out", "found", "--generators", "gone"]) == 2
    assert "gone" in capsys.readouterr().err
    trained = ["train", *TINY.split(), "--architecture", "resnet", "--out", "run", "--gan.critic", "found", "--quiet"]
    assert main([*trained, "--device", "cpu"]) == 0
    config = json.loads(Path("run/train/config.json").read_text())
    assert CriticLayout.from_dict(config["gan"]["critic_layout"]) == CriticLayout.load("found/critic/critic.json")
