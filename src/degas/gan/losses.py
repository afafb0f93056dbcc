"""The losses of adversarial training, pure functions of scores, features and gradients.

Shapes: scores (N,) unless stated otherwise; features (N, F); images (N, C, H, W). Every loss is a scalar, the mean over
the batch. D is the critic's score, G the generator, z the noise.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST_BOUND = 32.0  # of the squared distances of reals, MMD-AdversarialNAS' code


def wasserstein_critic(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[D(fake)] − E[D(real)] (Arjovsky et al. 2017)."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator(fake_scores: Tensor) -> Tensor:
    """−E[D(G(z))]."""
    return -fake_scores.mean()


def interpolate(real_images: Tensor, fake_images: Tensor, shares: Tensor) -> Tensor:
    """x̂ = real + share · (fake − real), with one share in [0, 1] per image: shares (N,)."""
    return real_images + shares[:, None, None, None] * (fake_images - real_images)


def squared_gradient_norms(scores: Tensor, images: Tensor) -> Tensor:
    """‖∇D(x)‖² summed over channels and pixels, (N,), differentiable in the critic's weights.

    Row i of `scores` must depend only on row i of `images`: no batch norm in the critic.
    """
    (gradients,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3))


def gradient_penalty(squared_norms: Tensor) -> Tensor:
    """E[(‖∇D(x̂)‖ − 1)²] (Gulrajani et al. 2017), without its weight λ.

    The root is of s + 1e-12, since that of a gradient of exactly 0 has no derivative.
    """
    return ((squared_norms + 1e-12).sqrt() - 1).square().mean()


def pass_distances(
    first_scores: Tensor,
    second_scores: Tensor,
    first_features: Tensor,
    second_features: Tensor,
    weight: float,
    feature_weight: float,
) -> Tensor:
    """weight · (D(x) − D(x'))² + feature_weight · mean_f (D_(x) − D_(x'))², (N,): two dropout passes over one image."""
    score_distance = (first_scores - second_scores).square()  # (N,)
    feature_distance = (first_features - second_features).square().mean(1)  # (N,)
    return weight * score_distance + feature_weight * feature_distance


def consistency(
    first_scores: Tensor,
    second_scores: Tensor,
    first_features: Tensor,
    second_features: Tensor,
    weight: float,
    feature_weight: float,
    margin: float,
) -> Tensor:
    """E max(0, weight · (D(x) − D(x'))² + feature_weight · mean_f (D_(x) − D_(x'))² − margin) (Wei et al. 2018).

    x and x' are the same real images with different dropout. The weights are inside because of the margin.
    """
    passes = (first_scores, second_scores, first_features, second_features)
    return (pass_distances(*passes, weight, feature_weight) - margin).clamp(min=0).mean()


def hinge_critic(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[max(0, 1 − D(real))] + E[max(0, 1 + D(fake))] (Lim & Ye 2017; Miyato et al. 2018)."""
    return F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()


def relativistic(better_scores: Tensor, worse_scores: Tensor) -> Tensor:
    """E softplus(−(D(better) − D(worse))) over pairs (Jolicoeur-Martineau 2019; Huang et al. 2024).

    For the critic the better images are the reals, for the generator the fakes.
    """
    return F.softplus(worse_scores - better_scores).mean()


def zero_centred_penalty(squared_norms: Tensor) -> Tensor:
    """½ E‖∇D(x)‖², without its weight γ: R1 on reals (Mescheder et al. 2018), R2 on fakes."""
    return 0.5 * squared_norms.mean()


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖a_i − b_j‖² for a (N, F) and b (M, F): (N, M)."""
    return (a[:, None, :] - b[None, :, :]).square().sum(2)


def kernel(squared: Tensor) -> Tensor:
    """k = exp(−d²/2), the Gaussian kernel of width 1, of squared distances of any shape."""
    return torch.exp(-0.5 * squared)


def mean_off_diagonal(matrix: Tensor) -> Tensor:
    """Mean of a square matrix (N, N) without its diagonal: the unbiased mean over pairs; N ≥ 2."""
    n = matrix.shape[0]
    return (matrix.sum() - matrix.diagonal().sum()) / (n * (n - 1))


def doubled_bound(first: float, num_doublings: Tensor | float) -> Tensor:
    """min(first · 2^doublings, 32), and never below `first`: the upper bound of MMD-AdversarialNAS' code."""
    doubled = first * 2.0 ** torch.as_tensor(num_doublings)
    return doubled.clamp(max=max(first, LARGEST_BOUND))


def repulsive_critic(real_scores: Tensor, fake_scores: Tensor, upper: Tensor | float, lower: float) -> Tensor:
    """E k(real, real') − E k(fake, fake') (Wang et al. 2019), scores (N, F); bounded.

    It separates reals until d² reaches `upper` and contracts fakes until d² falls to `lower`.
    """
    real = squared_distances(real_scores, real_scores)
    real = real.clamp(max=upper) if isinstance(upper, float) else torch.minimum(real, upper.to(real))
    fake = squared_distances(fake_scores, fake_scores).clamp(min=lower)
    return mean_off_diagonal(kernel(real)) - mean_off_diagonal(kernel(fake))


def squared_mmd(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """MMD² = E k(real, real') + E k(fake, fake') − 2 E k(real, fake), scores (N, F) and (M, F) (Gretton et al. 2012).

    It is unbiased, so it may be slightly below 0.
    """
    real = mean_off_diagonal(kernel(squared_distances(real_scores, real_scores)))
    fake = mean_off_diagonal(kernel(squared_distances(fake_scores, fake_scores)))
    return real + fake - 2 * kernel(squared_distances(real_scores, fake_scores)).mean()


def cosine(first: float, last: float, progress: Tensor | float) -> Tensor:
    """From `first` at progress 0 to `last` at 1 along half a cosine, as R3GAN's schedules."""
    share = 0.5 * (1.0 + torch.cos(math.pi * torch.as_tensor(progress)))
    return last + (first - last) * share


def class_loss(class_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the auxiliary classifier (AC-GAN, Odena et al. 2017): logits (N, K), labels (N,)."""
    return F.cross_entropy(class_logits, labels)
