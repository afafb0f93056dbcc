"""Search in a space with an operation of your own, on images of your own, without touching the package.

python own_search_space.py --out runs/own
"""

import argparse

import numpy as np
from torch import nn

import degas
from degas.nets.operations import Chain, Site, convolution


def pixel_shuffle(site: Site) -> Chain:
    """BN, ReLU, conv 3×3 to four times the channels, which pixel shuffle lays out as an image twice as large."""
    conv = convolution(site.width, 4 * site.width, 3)
    return Chain(site.norm(site.width), nn.ReLU(), conv, nn.PixelShuffle(2))


def stripes() -> np.ndarray:
    """500 colour images of stripes, uint8 (500, 16, 16, 3)."""
    rng = np.random.default_rng(0)
    angle, wave, shift = rng.uniform(0, np.pi, 500), rng.uniform(0.5, 1.5, 500), rng.uniform(0, 6, 500)
    down, right = np.mgrid[:16, :16]
    phase = np.cos(angle)[:, None, None] * down + np.sin(angle)[:, None, None] * right  # (500, 16, 16)
    light = 0.5 + 0.5 * np.sin(wave[:, None, None] * phase + shift[:, None, None])
    return (255 * light[..., None] * rng.uniform(0.3, 1, (500, 1, 1, 3))).astype(np.uint8)


degas.register_operation("pixel_shuffle", "up", pixel_shuffle)
degas.register_source("stripes", stripes)


def main(out: str, **settings: dict) -> degas.Generator:
    """Search, prune, save, load and train; `settings` are sections of settings, such as `search={"num_epochs": 1}`."""
    space = {"up_operations": ("pixel_shuffle", "deconv_4x4", "nearest_conv_3x3")}
    size = {"image_size": 16}
    degas.search("stripes", out, space=space, data_settings=size, search=settings.get("search"))
    architecture = degas.Architecture.load(f"{out}/search/architecture.json")
    print(*(f"{edge.source} -> {edge.target}  {edge.operation}" for edge in architecture.edges), sep="\n")
    generator = degas.train(architecture, "stripes", out, data_settings=size, gan=settings.get("gan"))
    print(f"{out}/train/generator: {generator.num_parameters:,} parameters")
    return degas.Generator.load(f"{out}/train/generator")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/own", help="run folder")
    main(parser.parse_args().out)
