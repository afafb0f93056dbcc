"""A few critic steps with a gradient penalty (a double backward), on however many ranks. Run by test_two_ranks.py.

    torchrun --nproc-per-node 2 ranks_job.py FOLDER PRECISION

Rank 0 writes `step-XXXXXXXX/` checkpoints of gradients and weights into FOLDER; every rank then checks the rest.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed import distributed_c10d

from degas.runtime.distributed import Engine
from degas.runtime.rng import forked_rng, torch_generator
from degas.runtime.run_folder import StageFolder

BATCH_IMAGES, STEPS = 8, 3


class CriticLoss(nn.Module):
    """The whole loss in one forward, as the engine asks for: Wasserstein and λ(‖∇‖ − 1)² on the lines between."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(6, 6, 3, stride=2), nn.LeakyReLU(), nn.Flatten(),
            nn.Linear(54, 1),
        )  # fmt: skip

    def forward(self, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return self.critic(fake).mean() - self.critic(real).mean() + 10 * penalty


def shard(engine: Engine, name: str, step: int, *shape: int) -> Tensor:
    """This rank's rows of the global batch."""
    whole = torch.rand(BATCH_IMAGES, *shape, generator=torch_generator(0, name, step))
    return whole.chunk(engine.num_ranks)[engine.rank].to(engine.device)


def train(engine: Engine, folder: StageFolder) -> None:
    with forked_rng(engine.rank, "weights"):  # ranks begin differently: DDP must give all of them rank 0's
        module = engine.prepare(CriticLoss())
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, betas=(0.0, 0.9))
    for step in range(STEPS):
        inputs = [shard(engine, name, step, *shape) for name, shape in
                  (("real", (3, 8, 8)), ("fake", (3, 8, 8)), ("share", (1, 1, 1)))]  # fmt: skip
        with engine.autocast():
            loss = module(*inputs)
        optimizer.zero_grad()
        engine.backward(loss)
        logged = loss.detach().clone()
        engine.all_reduce_mean([logged])
        gradients = {name: p.grad for name, p in engine.unwrap(module).named_parameters()}
        optimizer.step()
        folder.log_metrics(step + 1, loss=logged)
        folder.save(step + 1, {"gradients": gradients, "weights": engine.unwrap(module).state_dict()}, keep=STEPS)


def check_collectives(engine: Engine) -> None:
    rank, ranks = engine.rank, engine.num_ranks
    mean_rank = (ranks - 1) / 2
    grid = torch.full((2, 3), float(rank)).t()  # not contiguous
    parameter = nn.Parameter(torch.full((4,), 2.0 * rank))
    double = torch.tensor(float(rank), dtype=torch.float64)
    engine.all_reduce_mean([grid, parameter, double])
    assert torch.equal(grid, torch.full((3, 2), mean_rank))
    assert torch.equal(parameter.detach(), torch.full((4,), 2 * mean_rank))
    assert parameter.requires_grad
    assert double.item() == mean_rank
    rows = engine.gather(torch.tensor([[rank, 10 * rank]]))
    assert rows.tolist() == [[r, 10 * r] for r in range(ranks)]
    assert engine.any_rank(rank == ranks - 1)
    assert not engine.any_rank(False)


def check_patience(engine: Engine) -> None:
    """Rank 0 may be busy alone, evaluating, for longer than torch's own limit."""
    if engine.is_main:
        time.sleep(4.0)
    engine.wait()


def check_buffers(engine: Engine) -> None:
    """Forwarding twice before one backward, as a GAN does; rank 0's buffers at the start."""
    norm = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    norm[1].running_mean.fill_(float(engine.rank))
    module = engine.prepare(norm)
    assert engine.unwrap(module)[1].running_mean.sum() == 0  # type: ignore[index]
    if engine.num_ranks > 1:  # what these two break shows as a wait without end, or in larger networks only
        assert not module.broadcast_buffers
        assert not module.static_graph
    if engine.is_main:
        with torch.no_grad():
            module(torch.rand(2, 3))  # alone: must not wait for the others
    inputs = torch.rand(5, 3, generator=torch_generator(0, "inputs"))
    engine.backward((module(inputs) - module(inputs + 1)).square().mean() + module(inputs).sum())


def check_broadcasts(engine: Engine) -> None:
    """What rank 0 says, everyone has."""
    told = {"rank": engine.rank, "words": "é" * (1 + engine.rank), "nothing": None}
    assert engine.from_main(told) == {"rank": 0, "words": "é", "nothing": None}
    assert engine.from_main(None) is None
    assert engine.broadcast(torch.full((3,), float(engine.rank))).sum() == 0


def main() -> None:
    path, precision = Path(sys.argv[1]), sys.argv[2]
    for stage in ("first", "second"):  # `degas run` makes an engine a stage
        folder = StageFolder(path / stage, settings={}, resume=False, kind="critic")
        with folder, Engine(precision, "cpu") as engine:  # type: ignore[arg-type]
            train(engine, folder)
            check_collectives(engine)
            check_buffers(engine)
            check_broadcasts(engine)
            check_patience(engine)
            engine.wait()


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed_c10d._get_default_timeout = lambda _backend: timedelta(seconds=2)  # in place of half an hour
    main()
