from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from recorder import ListRecorder

from degas.cli.main import main
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.evaluation.extractors.classifier import ClassifierNetwork
from degas.evaluation.extractors.train_classifier import loss_of
from degas.gan import state as steps
from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import resolve_gan
from degas.nas import state as searcher
from degas.nas.state import Search
from degas.runtime.cores import allowed_cores
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SpaceSettings
from degas_lab.sizes import Sizes
from degas_lab.speed.benchmark import Benchmark
from degas_lab.speed.breakdown import OTHER, breakdown, in_words, kind_of
from degas_lab.speed.graphs import as_graphs, difference
from degas_lab.speed.pool import throughput
from degas_lab.speed.roofline import Convolution, Record
from degas_lab.speed.textbook import TextbookMixedOp
from degas_lab.speed.textbook_steps import TextbookSearch
from degas_lab.speed.training import PlainStep

SMALL = Sizes(width=4, batch_images=4, image_size=8, noise_size=8)
SEARCH_KEYS = {  # contract.md
    "ours_ms", "textbook_ms", "speedup", "roofline_ms", "roofline_share", "ours_peak_mib", "textbook_peak_mib"
}  # fmt: skip

BESIDE_PLAIN = {"ours_ms", "plain_ms", "speedup", "roofline_ms", "roofline_share"}


def test_search_step_has_the_keys_that_others_read() -> None:
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).search_step()
    assert set(found) == SEARCH_KEYS | {"joint_ms"}
    assert found["speedup"] == pytest.approx(found["textbook_ms"] / found["ours_ms"])
    assert found["roofline_share"] == pytest.approx(found["roofline_ms"] / found["ours_ms"])
    assert min(found.values()) > 0


def test_our_step_needs_less_than_half_the_memory_of_the_textbooks() -> None:
    """Exact counts, so no matter how busy the machine is."""
    sizes = Sizes(width=16, batch_images=16, image_size=16)
    found = Benchmark(sizes, rounds=1, seed=0, engine=Engine(device="cpu")).search_step()
    assert found["ours_peak_mib"] < 0.4 * found["textbook_peak_mib"]


def test_adversarial_steps_are_measured_beside_a_plain_port() -> None:
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).adversarial_steps()
    assert set(found) == {"critic_step", "generator_step"}
    assert all(set(row) == BESIDE_PLAIN for row in found.values())


def test_every_objective_has_its_whole_training_step() -> None:
    """The keys are those of the contract; a roofline is a lower bound of the time only on a quiet machine."""
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).training_steps()
    assert set(found) == set(OBJECTIVES)
    for row in found.values():
        assert set(row) == BESIDE_PLAIN | {"peak_mib"}
        assert row["roofline_share"] == pytest.approx(row["roofline_ms"] / row["ours_ms"])
        assert min(row.values()) > 0


def test_steps_are_measured_with_one_thread_and_with_all() -> None:
    """Both in the same rounds; the number of threads is afterwards what it was."""
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        bench = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu"))
        bench.objectives = ("mmd",)
        step = bench._our_training_step("mmd")
        bench._our_training_step = lambda _: lambda: (seen.append(torch.get_num_threads()), step())  # type: ignore
        found = bench.threads()["step_by_threads"]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(found) == {"search", "mmd"}
    assert seen[:4] == [1, 2, 1, 2]
    assert found["mmd"]["speedup"] == pytest.approx(found["mmd"]["one_thread_ms"] / found["mmd"]["ours_ms"])


@pytest.mark.skipif(len(allowed_cores()) < 2, reason="needs two cores")
def test_a_training_per_core_is_measured_beside_one_alone() -> None:
    """Real processes, pinned, one thread each; on a busy machine the gain may be anything above 0."""
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).pool()["pool"]
    assert found["num_processes"] == len(allowed_cores())
    assert found["speedup"] == pytest.approx(found["num_processes"] * found["alone_ms"] / found["ours_ms"])
    assert found["speedup"] > 0


def test_a_process_of_the_pool_that_fails_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="--parts pool: a process has ended before its time"):
        throughput(SMALL, objective="none", rounds=1, seed=0)


def test_a_steps_time_is_divided_by_kinds_of_operations() -> None:
    """Of a call that only multiplies, all but a little is products; every operation of a step has one kind."""
    x = torch.randn(300, 300)
    found = breakdown(lambda: (x @ x, x @ x))
    assert found["products"] > 0.9
    assert found["calls"] >= 2
    step = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).breakdown()["breakdown"]
    assert set(step) == {"search", "mmd", "r3gan", "features"}
    for shares in step.values():
        assert sum(share for kind, share in shares.items() if kind != "calls") == pytest.approx(1)
        assert shares["convolutions"] > 0
    assert kind_of("aten::native_batch_norm") == "batch norms"
    assert kind_of("aten::_fused_adam_") == "optimisers"
    assert kind_of("aten::mkldnn_convolution") == kind_of("aten::convolution_backward") == "convolutions"
    assert kind_of("aten::add_") == OTHER
    assert in_words({"products": 0.5, OTHER: 0.5, "calls": 1234}) == f"products 50 %, {OTHER} 50 %; 1,234 calls"


def test_a_step_of_the_classifier_has_the_loss_of_its_training() -> None:
    """Both sides, and the keys of a measurement; the layout of memory does not change the loss."""
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).classifier()
    assert set(found) == BESIDE_PLAIN | {"peak_mib"}
    network = ClassifierNetwork(3, 10).eval()
    images, labels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), torch.arange(4)
    losses = [loss_of(network, images, labels, memory) for memory in (torch.channels_last, torch.contiguous_format)]
    torch.testing.assert_close(*losses)


def test_only_the_named_objectives_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu"))
    bench.objectives = ("mmd",)
    assert set(bench.training_steps()) == {"mmd"}
    assert main(["benchmark", "--out", str(tmp_path / "b.json"), "--parts", "training", "--objectives", "mdm"]) == 2
    assert "--objectives" in capsys.readouterr().err
    assert not (tmp_path / "b.json").exists()


def test_compiled_calls_stand_beside_the_same_calls_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a counter in the compiler's place: the networks of one of the two calls are compiled, once each."""
    compiled: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    monkeypatch.setattr("degas_lab.speed.compiled.FORWARD_IMAGES", 2)
    monkeypatch.setattr("degas_lab.speed.compiled.SAMPLES", 4)
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).compiled()["compiled"]
    assert compiled == ["Supernet", "Generator", "Critic", "Generator", "EfficientNetLite0"]
    assert list(found) == ["search", "mmd", "sampling", "features"]
    for row in found.values():
        assert row["speedup"] == pytest.approx(row["plain_ms"] / row["ours_ms"])
        assert row["compile_seconds"] >= 0


@pytest.mark.parametrize("objective", ["ct-gan", "wgan-gp", "sn-gan", "mmd", "r3gan"])
def test_the_plain_step_moves_both_networks_and_the_average(objective: str) -> None:
    bench = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu"))
    plain = PlainStep(bench._generator(), SMALL.images(0), bench._gan(objective), seed=0, engine=Engine(device="cpu"))
    before = {name: value.clone() for name, value in plain.generator.named_parameters()}
    critic = {name: value.clone() for name, value in plain.critic.named_parameters()}
    plain()
    assert all(not torch.equal(value, before[name]) for name, value in plain.generator.named_parameters())
    assert any(not torch.equal(value, critic[name]) for name, value in plain.critic.named_parameters())
    for name, value in plain.generator.named_parameters():  # after one step the average has forgotten all but 1e-6
        torch.testing.assert_close(plain.average[name], value, rtol=1e-3, atol=1e-5)
        assert not torch.equal(plain.average[name], before[name])


def test_features_are_measured_at_both_sizes_with_batch_norms_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degas_lab.speed.evaluation.FORWARD_IMAGES", 2)
    monkeypatch.setattr("degas_lab.speed.evaluation_steps.FORWARD_IMAGES", 2)
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).features()
    assert set(found) == {"features", "features_224"}
    assert all(set(row) == BESIDE_PLAIN | {"images_per_second"} for row in found.values())


def test_the_textbooks_step_moves_weights_alphas_and_the_batchs_latents() -> None:
    images = SMALL.images(0)
    search = Search(images, SMALL.search(), SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    textbook = TextbookSearch(
        search.supernet,
        SMALL.search(),
        to_symmetric(torch.from_numpy(images.images)),
        seed=0,
        engine=Engine(device="cpu"),
    )
    before = {name: p.clone() for name, p in textbook.network.named_parameters()}
    rows = textbook.table.rows.clone()
    textbook.step()
    same = [name for name, p in textbook.network.named_parameters() if torch.equal(p, before[name])]
    assert not same
    moved = (textbook.table.rows != rows).any(dim=1)
    assert moved.tolist() == [True] * 4 + [False] * 12
    assert any(isinstance(edge, TextbookMixedOp) for edge in textbook.network.edges.values())


def test_command_writes_file_and_picture_and_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "bench.json"
    small = ["--width", "4", "--batch-images", "4", "--image-size", "8", "--rounds", "1", "--device", "cpu"]
    assert main(["benchmark", "--out", str(out), *small, "--clock", "processor", "--parts", "search", "sampling"]) == 0
    found = json.loads(out.read_text())
    assert set(found) == {"machine", "sizes", "precision", "search_step", "sampling"}
    assert found["sizes"]["clock"] == "processor"
    assert found["machine"]["torch"] == torch.__version__
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "search step" in printed
    assert "search step, joint" in printed


def test_a_search_step_is_measured_beside_one_with_a_critic() -> None:
    """Memory by exact counts: a critic's step holds more than GLO's, whatever the objective."""
    found = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu")).adversarial_search()
    assert set(found) == {"search_step_beside_sn_gan", "search_step_beside_ct_gan"}
    for row in found.values():
        assert row["speedup"] == pytest.approx(row["adversarial_ms"] / row["ours_ms"])
        assert row["ours_peak_mib"] < row["adversarial_peak_mib"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_sides_of_a_measurement_compute_in_one_precision(precision: Literal["float32", "bfloat16"]) -> None:
    """The type of every convolution that each side runs. Small products (mixing kernels, the pyramid) stay float32."""
    bench = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(precision, "cpu"))
    sides: dict[str, Callable[[], object]] = {}
    bench._time = lambda calls: sides.update(calls) or dict.fromkeys(calls, 1.0)  # type: ignore[method-assign]
    found: dict[str, set[torch.dtype]] = {}
    for measure in (bench.search_step, bench.adversarial_search, bench.adversarial_steps, bench.sampling):
        sides.clear()
        measure()
        if measure != bench.adversarial_steps:  # of these two calls share their names
            found |= {f"{measure.__name__} {name}": types_in(call) for name, call in sides.items()}
    plain = bench._plain_ct_gan(resolve_gan(GanSettings(objective="ct-gan", width=4, batch_images=4)), SMALL.images(0))
    found |= {"critic step": types_in(plain.critic_step), "generator step": types_in(plain.generator_step)}
    sampling = {name: found.pop(name) for name in list(found) if name.startswith("sampling")}
    assert len(found) == 8
    assert [name for name, types in found.items() if types != {getattr(torch, precision)}] == []
    assert list(sampling.values()) == [{torch.float32}] * 2


def types_in(call: Callable[[], object]) -> set[torch.dtype]:
    with Record() as record:
        call()
    return {shape.dtype for shape, _, _ in record.operations if isinstance(shape, Convolution)}


def test_the_file_and_the_table_say_in_which_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    small = ["--width", "4", "--batch-images", "4", "--image-size", "8", "--rounds", "1", "--device", "cpu"]
    parts = ["--parts", "search", "training", "sampling", "--precision", "bfloat16"]
    assert main(["benchmark", "--out", str(out), *small, *parts]) == 0
    told_by_file = {"search_step": "bfloat16", "training_step": "bfloat16", "sampling": "float32"}
    assert json.loads(out.read_text())["precision"] == told_by_file
    lines = capsys.readouterr().out.splitlines()
    told = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in lines if line.startswith("│")}
    training = {f"training step, {name}": "bfloat16" for name in OBJECTIVES}
    assert told == {"search step": "bfloat16", "search step, joint": "bfloat16", **training, "sampling": "float32"}


def test_graphs_are_measured_beside_the_same_steps_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a recorder in a graph's place; both do the same, so their values agree but for the rounding of rates."""
    for module in (searcher, steps):
        monkeypatch.setattr(module, "check_graphs", lambda *_: None, raising=False)
        monkeypatch.setattr(module, "CudaGraphs", ListRecorder)
    settings = resolve_gan(GanSettings(objective="ct-gan", width=4, batch_images=4))
    bench = Benchmark(SMALL, rounds=1, seed=0, engine=Engine(device="cpu"))
    joint = SMALL.search().model_copy(update={"schedule": "joint"})
    found = as_graphs(SMALL.images(0), joint, settings, bench._generator, rounds=1, seed=0, engine=Engine(device="cpu"))
    assert set(found) == {"search_step_as_graph", "critic_step_as_graph", "generator_step_as_graph"}
    for row in found.values():
        assert row["speedup"] == pytest.approx(row["plain_ms"] / row["ours_ms"])
        assert row["difference"] < 1e-3
    assert difference({"a": 1.0, "b": math.nan}, {"a": 1.0, "b": 1.0}) == math.inf
    assert difference({"a": torch.tensor(1.0), "b": torch.tensor(0.0)}, {"a": 0.9, "b": 0.0}) == pytest.approx(0.1)


def test_graphs_are_refused_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    assert main(["benchmark", "--out", str(out), "--parts", "graphs", "--device", "cpu"]) == 2
    assert "--parts graphs: CUDA graphs need a GPU; leave it out" in capsys.readouterr().err
    assert not out.exists()
