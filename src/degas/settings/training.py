"""The settings of adversarial training that all objectives share; an objective's own settings are in its class."""

from __future__ import annotations

from typing import Literal

from degas.settings.base import (
    BatchImages,
    Count,
    Fraction,
    NoiseSize,
    Positive,
    Rate,
    Settings,
    Weight,
    Width,
    setting,
)

Growth = Literal["none", "fade"]
DeconvStart = Literal["independent", "nearest", "bilinear"]
FrameStart = Literal["unit", "resnet"]
ClassHead = Literal["classifier", "projection"]


class TrainingSettings(Settings):
    """Settings of adversarial training with any objective, after CT-GAN's code for CIFAR-10."""

    objective: str = setting(
        "mmd",
        "adversarial objective: mmd, ct-gan, cagan, wgan-gp, sn-gan, sn-gan-ttur, r3gan, or a registered one",
        source="our choice; paper §3.2: ct-gan",
    )
    num_steps: Positive = setting(5000, "generator steps", source="our choice; CT-GAN code: 100,000")
    width: Width = setting(
        64, "channels of the critic, and of a baseline generator", source="our choice; CT-GAN code: 128"
    )
    image_gain: Rate = setting(
        1.0, "approximate variance of a found generator's first images before their tanh; GLO fits have 0.01"
    )
    deconv_start: DeconvStart = setting(
        "independent",
        "initial kernels of a found generator's transposed convolutions: independent taps, or nearest or bilinear "
        "up-sampling with a convolution",
    )
    frame_start: FrameStart = setting(
        "unit", "initial weights of a found generator's linear layer and image head: unit variance, or as in resnet"
    )
    supervised: bool = setting(
        False, "conditional batch norm, and a critic that learns the labels (class_head)", source="paper §4.1"
    )
    grow: Growth = setting(
        "none",
        "train at 8, 16, … px in turn, for equal shares of num_steps; each size fades in from the one before (fade)",
    )
    batch_images: BatchImages = setting(64, "real images per critic step", source="CT-GAN code")
    betas: tuple[Fraction, Fraction] = setting((0.0, 0.9), "Adam betas of generator and critic", source="CT-GAN code")
    lr_decay: Literal["linear", "cosine", "none"] = setting(
        "linear", "how learning rates fall over num_steps", source="CT-GAN code; R3GAN code: cosine"
    )
    lr_end_share: Fraction = setting(
        0.0, "share of the rates at the end of lr_decay", source="CT-GAN code; R3GAN code: 0.25"
    )
    ema_half_life_images: Count = setting(
        20_000,
        "half-life of the averaged generator, growing from 0; 0: no averaging",
        source="our choice; CT-GAN code: none",
    )
    ema_ramp: Literal["share", "cosine"] = setting(
        "share",
        "how the half-life grows: 5 % of the images seen, or half a cosine over num_steps",
        source="our choice; R3GAN code: cosine",
    )
    norm_parts: Positive = setting(
        1,
        "equal parts of a batch of noise, over each of which the generator's batch norms take their statistics",
        source="our choice; CT-GAN code: 2",
    )
    augment: Literal["none", "diffaugment"] = setting(
        "none", "differentiable augmentation of real and fake images", source="our choice; CT-GAN code: none"
    )
    horizontal_flip: bool = setting(False, "mirror half of the real images", source="our choice; CT-GAN code: no")
    sampling_bn: Literal["recalibrated", "running", "batch"] = setting(
        "recalibrated", "batch-norm statistics of the sampled generator", source="our choice; CT-GAN code: batch"
    )
    checkpoint_steps: Count = setting(
        0, "generator steps between checkpoints, in addition to one a minute; 0: only by time", decides=False
    )
    log_steps: Positive = setting(10, "generator steps between lines of metrics.jsonl", decides=False)
    sample_steps: Positive = setting(500, "generator steps between sample grids", decides=False)
    stop_step: Count = setting(
        0, "end after this generator step, to be resumed later; 0: after num_steps", decides=False
    )
    evaluate_steps: Count = setting(
        0, "generator steps between small evaluations, which keep the best generator; 0: never"
    )
    precision: Literal["float32", "bfloat16"] = setting("float32", "arithmetic of the convolutions")
    cuda_graphs: bool = setting(
        False, "replay each step as one CUDA graph; experimental: not yet run on a GPU", decides=False
    )


class GanSettings(TrainingSettings):
    """A user's settings of adversarial training: an unset one takes the value of the objective or the architecture.

    A setting of another objective is rejected. The objectives' own values and their sources: `gan/objectives`.
    """

    critic: str | None = setting(
        None,
        "a critic.json, a folder that holds one, or a registered or shipped critic; default: the objective's, resnet",
    )
    generator_width: Width | None = setting(
        None, "channels of the generator; default: the architecture file's, or width"
    )
    noise_size: NoiseSize | None = setting(
        None, "entries of the noise; default: the architecture file's, or 128", source="CT-GAN code: 128"
    )
    generator_batch_images: BatchImages | None = setting(
        None, "fake images per generator step; default: twice batch_images", source="CT-GAN code: 128"
    )
    beta2_end: Fraction | None = setting(
        None, "Adam's β2 at the end, reached by a cosine; default: constant (R3GAN code: 0.99)"
    )
    critic_steps: Positive | None = setting(None, "critic steps per generator step")
    generator_lr: Rate | None = setting(None, "Adam rate of the generator")
    critic_lr: Rate | None = setting(None, "Adam rate of the critic")
    penalty_weight: Weight | None = setting(None, "λ of the gradient penalty")
    consistency_weight: Weight | None = setting(None, "λ of the consistency term")
    consistency_feature_weight: Weight | None = setting(None, "weight of the feature distance in the consistency term")
    consistency_margin: Weight | None = setting(None, "M of the consistency term")
    inconsistency_bound: Rate | None = setting(
        None, "up to this, for each fake, cagan's critic gains by disagreeing with itself"
    )
    dropout: tuple[Fraction, Fraction, Fraction] | None = setting(None, "rates after critic blocks 2, 3, 4")
    gradient_weight: Weight | None = setting(None, "γ of r3gan's two gradient penalties, at about 32 px")
    gradient_end_share: Weight | None = setting(
        None, "share of γ at the end of the training, reached by a cosine (R3GAN code: 0.1)"
    )
    penalty_at: Literal["unaugmented", "augmented"] | None = setting(
        None, "images at which r3gan's penalties take the gradient, with augment"
    )
    repulsive_bounds: tuple[Weight, Weight] | None = setting(
        None, "squared distances: upper bound real-real, lower bound fake-fake"
    )
    repulsive_patience: Count | None = setting(
        None, "evaluations without a better score after which mmd's upper bound doubles, up to 32; 0: never"
    )
    class_head: ClassHead | None = setting(
        None, "how the critic learns labels: by an auxiliary classifier, or as a part of its scores (with supervised)"
    )
    class_weight_critic: Weight | None = setting(None, "class loss in the critic's loss (with supervised)")
    class_weight_generator: Weight | None = setting(None, "class loss in the generator's loss (with supervised)")
