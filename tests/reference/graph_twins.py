"""Two runs of the same steps, one as CUDA graphs: whether they moved the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from degas.gan.objectives import OBJECTIVES

# Cases for search and adversarial steps, also of the tests without a GPU.
SEARCHES: list[dict[str, Any]] = [
    {},
    {"schedule": "alternate"},
    {"schedule": "alternate", "alpha_batch": "same", "weight_optimizer": "sgd", "latent_optimizer": "sgd"},
    {"cost_weight": 0.1, "temperature": 0.5, "num_epochs": 9},
    {"precision": "bfloat16"},
    {"train_alpha": False},
]
TRAININGS: list[dict[str, Any]] = [{"objective": name} for name in OBJECTIVES]
TRAININGS += [{"objective": name, "supervised": True, "augment": "diffaugment"} for name in OBJECTIVES]
TRAININGS += [{"objective": "ct-gan", "precision": "bfloat16"}, {"objective": "sn-gan", "critic_steps": 3}]

# Of the distance that weights moved. Both run the same kernels, but for the sums that CUDA's backward passes add in any
# order, and for a rate rounded to float32. A rate, a batch or a draw that stayed that of the recording is far outside.
SHARE = 0.1


def parameters(**modules: nn.Module) -> dict[str, Tensor]:
    """A copy of each module's parameters, by dotted names. Not of its buffers, which move much farther than weights."""
    return {
        f"{kind}.{name}": parameter.detach().double().cpu().clone()
        for kind, module in modules.items()
        for name, parameter in module.named_parameters()
    }


def moved_alike(start: Mapping[str, Tensor], plain: Mapping[str, Tensor], graph: Mapping[str, Tensor]) -> bool:
    """Whether the distance between the two ends is below `SHARE` of the way there; all by the same names."""
    way = torch.stack([(plain[name] - start[name]).norm() for name in start]).norm()
    apart = torch.stack([(plain[name] - graph[name]).norm() for name in start]).norm()
    return bool(way > 0 and apart < SHARE * way)
