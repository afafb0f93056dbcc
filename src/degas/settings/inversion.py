"""The settings of an inversion: latents for given images with the generator frozen. Knows no torch."""

from __future__ import annotations

from typing import Literal

from degas.settings.base import BatchImages, Count, Positive, Rate, Settings, setting


class InvertSettings(Settings):
    """The inversion of a trained generator; all values are our choice except where a source is given."""

    num_steps: Count = setting(300, "steps on each latent; 0: the nearest draw as it is")
    lr: Rate = setting(0.05, "Adam rate at the start; it falls to 0 along half a cosine")
    num_starts: Positive = setting(256, "draws from N(0, I), of which each image takes the nearest")
    loss: Literal["l2-lap1", "l2", "lap1"] = setting("l2-lap1", "reconstruction loss", source="paper eq. 2")
    batch_images: BatchImages = setting(64, "images inverted at a time")
