"""CT-GAN's critic step and generator step, written out plainly: one call per batch, the authors' order of operations.

After CT-GAN's CIFAR-10 ResNet code (Wei et al. 2018), on weights given as a dictionary, with every random number given:
noise, interpolation shares and dropout masks (already divided by the keep rate). Slow, and shares nothing with the
package but the names of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


@dataclass
class Masks:
    """Dropout masks after blocks 2, 3 and 4 for one call on one batch."""

    block2: Tensor
    block3: Tensor
    block4: Tensor


def conv(w: Weights, name: str, x: Tensor) -> Tensor:
    kernel = w[f"{name}.weight"]
    return F.conv2d(x, kernel, w[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def mean_pool(x: Tensor) -> Tensor:
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def critic(w: Weights, x: Tensor, masks: Masks) -> tuple[Tensor, Tensor, Tensor | None]:
    """Scores D, features D_ and class logits."""
    shortcut = conv(w, "image_block.shortcut", mean_pool(x))
    h = mean_pool(conv(w, "image_block.conv2", F.relu(conv(w, "image_block.conv1", x)))) + shortcut

    shortcut = mean_pool(conv(w, "blocks.0.shortcut", h))
    h = shortcut + mean_pool(conv(w, "blocks.0.conv2", F.relu(conv(w, "blocks.0.conv1", F.relu(h)))))
    h = h * masks.block2
    h = h + conv(w, "blocks.1.conv2", F.relu(conv(w, "blocks.1.conv1", F.relu(h))))
    h = h * masks.block3
    h = h + conv(w, "blocks.2.conv2", F.relu(conv(w, "blocks.2.conv1", F.relu(h))))
    h = h * masks.block4

    features = F.relu(h).mean(dim=(2, 3))
    scores = (features @ w["score.weight"].T + w["score.bias"]).reshape(-1)
    logits = features @ w["classify.weight"].T + w["classify.bias"] if "classify.weight" in w else None
    return scores, features, logits


def batch_norm(w: Weights, name: str, x: Tensor, labels: Tensor | None) -> Tensor:
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    normal = (x - mean) / torch.sqrt(variance + 1e-5)
    if f"{name}.class_weight" in w:
        scale, shift = w[f"{name}.class_weight"][labels], w[f"{name}.class_bias"][labels]  # (N, C)
        return normal * scale[:, :, None, None] + shift[:, :, None, None]
    return normal * w[f"{name}.weight"].reshape(1, -1, 1, 1) + w[f"{name}.bias"].reshape(1, -1, 1, 1)


def upsample(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def generator(w: Weights, noise: Tensor, labels: Tensor | None, num_blocks: int, base_size: int) -> Tensor:
    h = noise @ w["network.first.linear.weight"].T + w["network.first.linear.bias"]
    h = h.reshape(len(noise), -1, base_size, base_size)
    for k in range(num_blocks):
        block = f"network.blocks.{k}"
        shortcut = conv(w, f"{block}.shortcut", upsample(h))
        inner = conv(w, f"{block}.conv1", upsample(F.relu(batch_norm(w, f"{block}.norm1", h, labels))))
        inner = conv(w, f"{block}.conv2", F.relu(batch_norm(w, f"{block}.norm2", inner, labels)))
        h = shortcut + inner
    return torch.tanh(conv(w, "network.to_image", F.relu(batch_norm(w, "network.norm", h, None))))


def critic_step(
    critic_weights: Weights,
    real_images: Tensor,
    fake_images: Tensor,
    shares: Tensor,
    masks: dict[str, Masks],
    labels: Tensor | None,
) -> tuple[float, Weights]:
    """Loss and its gradients; masks of the calls `first`, `second`, `fake`, `penalty`."""
    w = {name: value.detach().clone().requires_grad_(True) for name, value in critic_weights.items()}
    disc_real, features, logits = critic(w, real_images, masks["first"])
    disc_real_again, features_again, _ = critic(w, real_images, masks["second"])
    disc_fake, _, _ = critic(w, fake_images, masks["fake"])
    cost = disc_fake.mean() - disc_real.mean()

    interpolates = []
    for real, fake, share in zip(real_images, fake_images, shares, strict=True):
        interpolates.append(real + share * (fake - real))
    x = torch.stack(interpolates).requires_grad_(True)
    gradients = torch.autograd.grad(critic(w, x, masks["penalty"])[0].sum(), x, create_graph=True)[0]
    slopes = torch.stack([torch.sqrt((one**2).sum() + 1e-12) for one in gradients])
    cost = cost + 10.0 * ((slopes - 1.0) ** 2).mean()

    ct = 2.0 * (disc_real - disc_real_again) ** 2
    ct = ct + 2.0 * 0.1 * ((features - features_again) ** 2).mean(dim=1)
    cost = cost + torch.maximum(ct - 0.0, torch.zeros_like(ct)).mean()

    if logits is not None and labels is not None:
        cost = cost + 1.0 * cross_entropy(logits, labels)
    cost.backward()
    return float(cost.detach()), {name: value.grad for name, value in w.items()}


def generator_step(
    critic_weights: Weights,
    generator_weights: Weights,
    noise: Tensor,
    masks: Masks,
    labels: Tensor | None,
    num_blocks: int,
    base_size: int,
) -> tuple[float, Weights]:
    """Loss and the generator's gradients."""
    w = {name: value.detach().clone().requires_grad_(True) for name, value in generator_weights.items()}
    disc_fake, _, logits = critic(critic_weights, generator(w, noise, labels, num_blocks, base_size), masks)
    cost = -disc_fake.mean()
    if logits is not None and labels is not None:
        cost = cost + 0.1 * cross_entropy(logits, labels)
    cost.backward()
    return float(cost.detach()), {name: value.grad for name, value in w.items()}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    log_shares = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -torch.stack([row[label] for row, label in zip(log_shares, labels, strict=True)]).mean()
