"""The bad-input table: what was given, on the command line, and what the user is told. Checked row by row.

The commands run in a folder made by `make_folder`. `python tests/reference/bad_input.py` writes docs/bad-input.md from
`ROWS`; tests/integration/test_bad_input.py runs every row and holds the document to them.
"""

# ruff: noqa: E501 - messages stand here as they are printed

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from degas.data.sources import load_images
from degas.nas.job import SearchJob
from degas.runtime.setup import Setup
from degas.settings.presets import preset_values
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.critic import CriticLayout, CriticStage
from degas.space.graph import SearchSpace

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad-input.md"
TINY = "--data images --data.image-size 8"
SEARCH = f"search {TINY} --out new --quiet"
TRAIN = f"train {TINY} --out new --quiet --architecture arch.json"
RUN = f"run {TINY} --out new --quiet --search.width 2"
EVALUATE = f"evaluate {TINY} --out new --quiet --generator gen"


class Row(NamedTuple):
    """One mistake; `message` is all of standard error but `degas: ` and the end of the line."""

    given: str
    command: str
    status: int
    message: str


ROWS: tuple[Row, ...] = (
    Row(
        "a command that does not exist",
        "serach",
        2,
        "unknown command 'serach'; did you mean 'search'?",
    ),
    Row(
        "an option that does not exist",
        f"{SEARCH} --search.widht 4",
        2,
        "unknown setting --search.widht; did you mean '--search.width'?",
    ),
    Row(
        "an option unlike any other",
        f"{SEARCH} --zzzzzz",
        2,
        "unknown setting --zzzzzz; see degas search --help",
    ),
    Row(
        "nothing but the command",
        "search",
        2,
        "missing --data SRC, --out RUN; see degas search --help",
    ),
    Row(
        "an option without its value",
        f"{SEARCH} --search.width",
        2,
        "--search.width: its value is missing: --search.width N",
    ),
    Row(
        "a value without its option",
        f"{SEARCH} 3",
        2,
        "'3' belongs to no option; see degas search --help",
    ),
    Row(
        "a sample picture of a kind that is not written",
        "sample --generator gen --out new.jpg",
        2,
        "--out new.jpg: ends in .jpg; name a file that ends in .png, or a folder",
    ),
    Row(
        "a page that is no page",
        "report run --out new.pdf",
        2,
        "--out new.pdf: ends in .pdf; name a file that ends in .html or .htm",
    ),
    Row(
        "an architecture that is no JSON",
        "random --out new.png",
        2,
        "--out new.png: ends in .png; name a file that ends in .json",
    ),
    Row(
        "a run folder that is named like a file",
        "search --data images --out new.json",
        2,
        "--out new.json: ends in .json; name a folder, without a file's ending",
    ),
    Row(
        "an exported file whose ending is of another format",
        "export --generator gen --out new.pt2 --format onnx",
        2,
        "--out new.pt2: .pt2 is the ending of --format torch-export; leave out --format onnx",
    ),
    Row(
        "an exported file of no format",
        "export --generator gen --out new.bin",
        2,
        "--out new.bin: ends in .bin; name a file that ends in .onnx or .pt2, or give --format",
    ),
    Row(
        "a source without its option",
        "run images --out new",
        2,
        "'images' belongs to no option; did you mean --data images?",
    ),
    Row(
        "an option of the stages to a command that has none",
        "report run --quiet",
        2,
        "unknown setting --quiet: degas report has none; leave it out",
    ),
    Row(
        "a word after the version",
        "--version search",
        2,
        "degas --version takes nothing after it; leave out 'search'",
    ),
    Row(
        "an option of another command of the family",
        "data fetch cifar10 --json",
        2,
        "unknown setting --json; choose from --help, --help-all, --no-quiet, --out, --quiet",
    ),
    Row(
        "a size as two numbers",
        "run --data images --out new --data.image-size 32x32",
        2,
        "--data.image-size: '32x32' is not a whole number, such as 200, 5,000 or 200k",
    ),
    Row(
        "a cap in words",
        "run --data images --out new --max-params small",
        2,
        "--max-params: 'small' is not a whole number, such as 200, 5,000 or 200k",
    ),
    Row(
        "a value for a switch",
        "run --data images --out new --gan.supervised=yes",
        2,
        "--gan.supervised: takes no value; write --gan.supervised or --gan.no-supervised",
    ),
    Row(
        "an unknown preset",
        f"{SEARCH} --preset papr",
        2,
        "--preset: unknown value 'papr'; did you mean 'paper'?",
    ),
    Row(
        "a word for a number",
        f"{SEARCH} --search.width wide",
        2,
        "--search.width: 'wide' is not a whole number, such as 200, 5,000 or 200k",
    ),
    Row(
        "a fraction for a whole number",
        f"{SEARCH} --seed 1.5",
        2,
        "--seed: '1.5' is not a whole number, such as 200, 5,000 or 200k",
    ),
    Row(
        "not a number",
        f"{SEARCH} --search.weight-lr nan",
        2,
        "--search.weight-lr: must be a finite number, not nan",
    ),
    Row(
        "infinity",
        f"{SEARCH} --search.weight-lr inf",
        2,
        "--search.weight-lr: must be a finite number, not inf",
    ),
    Row(
        "a negative rate",
        f"{SEARCH} --search.weight-lr -1",
        2,
        "--search.weight-lr: must be above 0, not -1.0",
    ),
    Row(
        "zero epochs",
        f"{SEARCH} --search.num-epochs 0",
        2,
        "--search.num-epochs: must be at least 1, not 0",
    ),
    Row(
        "zero steps",
        f"{TRAIN} --gan.num-steps 0",
        2,
        "--gan.num-steps: must be at least 1, not 0",
    ),
    Row(
        "a billion channels",
        f"{SEARCH} --search.width 1000000000",
        2,
        "--search.width: must be at most 2048, not 1000000000",
    ),
    Row(
        "a billion entries of the latents",
        f"{SEARCH} --search.noise-size 1000000000",
        2,
        "--search.noise-size: must be at most 8192, not 1000000000",
    ),
    Row(
        "a supernet larger than the memory",
        "search --data images --data.image-size 1024 --out new --quiet --search.width 2048 --space.num-normal 8",
        2,
        "search: needs at least … GiB of memory and … GiB are free; lower --search.width, --search.noise-size or --data.max-images",
    ),
    Row(
        "a billion images a step",
        f"{TRAIN} --gan.batch-images 1000000000",
        2,
        "--gan.batch-images: must be at most 65536, not 1000000000",
    ),
    Row(
        "a million pixels a side",
        f"{SEARCH} --data.image-size 1000000",
        2,
        "--data.image-size: must be at most 1024, not 1000000",
    ),
    Row(
        "an image size that no graph has",
        f"{SEARCH} --data.image-size 30",
        2,
        "image size 30 is not a base size from 4 to 7 times a power of two; try 28 or 32",
    ),
    Row(
        "a base size that does not fit",
        f"{SEARCH} --space.base-size 3",
        2,
        "image size 8 is not base size 3 times a power of two; try 6 or 12",
    ),
    Row(
        "too many normal maps",
        f"{SEARCH} --space.num-normal 9",
        2,
        "--space.num-normal: must be at most 8, not 9",
    ),
    Row(
        "a momentum out of range",
        f"{SEARCH} --search.weight-momentum 1.5",
        2,
        "--search.weight-momentum: must be below 1, not 1.5",
    ),
    Row(
        "Adam betas out of range",
        f"{SEARCH} --search.alpha-betas 1.5 2",
        2,
        "--search.alpha-betas: must be below 1, not 1.5",
    ),
    Row(
        "a dropout rate of not a number",
        f"{TRAIN} --gan.objective ct-gan --gan.dropout nan 0 0",
        2,
        "--gan.dropout: must be a finite number, not nan",
    ),
    Row(
        "one value of a pair",
        f"{TRAIN} --gan.betas 0.5",
        2,
        "--gan.betas: takes 2 values, not 1: --gan.betas X X",
    ),
    Row(
        "a choice that does not exist",
        f"{SEARCH} --search.loss l3",
        2,
        "--search.loss: unknown value 'l3'; choose from l2, l2-lap1, lap1",
    ),
    Row(
        "an unknown operation",
        f"{SEARCH} --space.up-operations deconv_5x5",
        2,
        "search space: unknown up operation 'deconv_5x5'; did you mean 'deconv_6x6'?",
    ),
    Row(
        "an operation named twice",
        f"{SEARCH} --space.normal-operations skip skip",
        2,
        "search space: one of the normal operations is listed twice in skip, skip",
    ),
    Row(
        "no operation",
        f"{SEARCH} --space.normal-operations",
        2,
        "--space.normal-operations: its value is missing: --space.normal-operations NAME …",
    ),
    Row(
        "a setting of another objective",
        f"{TRAIN} --gan.penalty-weight 3",
        2,
        "--gan.penalty-weight: objective mmd has no such setting; it belongs to cagan, ct-gan, wgan-gp",
    ),
    Row(
        "an objective that nobody registered",
        f"{TRAIN} --gan.objective R3GAN",
        2,
        "--gan.objective: unknown objective 'R3GAN'; known are cagan, ct-gan, mmd, r3gan, sn-gan, sn-gan-ttur, wgan-gp; import your own with --import MODULE",
    ),
    Row(
        "a class weight without classes",
        f"{TRAIN} --gan.class-weight-critic 1",
        2,
        "--gan.class-weight-critic: there is no class loss without --gan.supervised",
    ),
    Row(
        "a class weight where no class loss is",
        f"{TRAIN} --gan.supervised --gan.class-weight-critic 1",
        2,
        "--gan.class-weight-critic: there is no class loss with a projection; give --gan.class-head classifier",
    ),
    Row(
        "a class head without classes",
        f"{TRAIN} --gan.class-head projection",
        2,
        "--gan.class-head: there is no class head without --gan.supervised",
    ),
    Row(
        "labels asked of unlabelled images",
        "train --data one --data.image-size 8 --architecture resnet --out new --gan.supervised",
        2,
        "one: --gan.supervised needs labels; sort the images into class folders",
    ),
    Row(
        "a GPU where there is none",
        f"{SEARCH} --device cuda",
        2,
        "device 'cuda': torch sees no CUDA device here; use 'cpu' or 'auto'",
    ),
    Row(
        "an unknown device",
        f"{SEARCH} --device tpu",
        2,
        "--device: unknown value 'tpu'; did you mean 'cpu'?",
    ),
    Row(
        "an evaluation on a GPU where there is none",
        f"{EVALUATE} --device cuda",
        2,
        "device 'cuda': torch sees no CUDA device here; use 'cpu' or 'auto'",
    ),
    Row(
        "a search as CUDA graphs without a GPU",
        f"{SEARCH} --device cpu --search.cuda-graphs",
        2,
        "--search.cuda-graphs: CUDA graphs need a GPU; leave it out",
    ),
    Row(
        "a search as CUDA graphs whose steps differ",
        f"{SEARCH} --search.cuda-graphs --search.relaxation gumbel",
        2,
        "search: --search.cuda-graphs replays one step, but --search.relaxation gumbel makes every step different",
    ),
    Row(
        "a training as CUDA graphs without a GPU",
        f"{TRAIN} --device cpu --gan.cuda-graphs",
        2,
        "--gan.cuda-graphs: CUDA graphs need a GPU; leave it out",
    ),
    Row(
        "a training as CUDA graphs without a GPU, after a search",
        f"{RUN} --device cpu --gan.cuda-graphs",
        2,
        "--gan.cuda-graphs: CUDA graphs need a GPU; leave it out",
    ),
    Row(
        "a measurement of CUDA graphs without a GPU",
        "benchmark --device cpu --parts graphs --out new.json",
        2,
        "--parts graphs: CUDA graphs need a GPU; leave it out",
    ),
    Row(
        "one image to train with",
        "train --data one --data.image-size 8 --architecture resnet --out new --quiet",
        2,
        "one: adversarial training needs at least two images",
    ),
    Row(
        "pairs of one image",
        f"{TRAIN} --gan.batch-images 1",
        2,
        "images: mmd compares the images of a batch with each other, but a batch has 1 per process; raise --gan.batch-images and --gan.generator-batch-images, or give more images",
    ),
    Row(
        "a class head that nobody teaches",
        f"{TRAIN} --gan.supervised --gan.class-head classifier --gan.class-weight-critic 0",
        2,
        "--gan.class-weight-critic 0: the critic would not learn the classes that the generator has to match; set --gan.class-weight-generator 0 as well",
    ),
    Row(
        "too few samples for evaluations on the way",
        f"{TRAIN} --gan.evaluate-steps 1000 --evaluate.num-samples 3",
        2,
        "--evaluate.num-samples: 3 images are too few to measure; at least 8 are needed",
    ),
    Row(
        "a whole job with a setting of another objective",
        f"{RUN} --gan.penalty-weight 3",
        2,
        "--gan.penalty-weight: objective mmd has no such setting; it belongs to cagan, ct-gan, wgan-gp",
    ),
    Row(
        "a whole job with too few samples",
        f"{RUN} --evaluate.num-samples 3",
        2,
        "--evaluate.num-samples: 3 images are too few to measure; at least 8 are needed",
    ),
    Row(
        "a whole job without the classifier it is to measure with",
        f"{RUN} --evaluate.extractor classifier",
        2,
        "…--evaluate.classifier…",
    ),
    Row(
        "a whole job with one image",
        "run --data one --data.image-size 8 --out new --quiet",
        2,
        "one: adversarial training needs at least two images",
    ),
    Row(
        "a contest of no search",
        "contest --search images --data images --out new",
        2,
        "--search images: holds no finished search (no pruning.json); give the run folder of degas search",
    ),
    Row(
        "more finalists than contestants",
        "contest --search images --data images --out new --promote 3 4",
        2,
        "--promote: needs two numbers, the first at most --num-candidates, the second no larger",
    ),
    Row(
        "a contest that chooses by a seed of the verdict",
        "contest --search images --data images --out new --seeds 0 1000",
        2,
        "--seeds: must be at most 999, not 1000",
    ),
    Row(
        "a benchmark of images with less than no pixels",
        "benchmark --image-size -3 --out new.json",
        2,
        "--image-size: must be at least 1, not -3",
    ),
    Row(
        "a benchmark of nothing",
        "benchmark --parts --out new.json",
        2,
        "--parts: its value is missing: …",
    ),
    Row(
        "a benchmark's figures where its picture goes",
        "benchmark --out new.png",
        2,
        "--out new.png: ends in .png; name a file that ends in .json",
    ),
    Row(
        "a benchmark's figures into a folder",
        "benchmark --out images",
        2,
        "--out images: is a folder; name a file that ends in .json",
    ),
    Row(
        "a program that cannot be written",
        "export --generator gen --format torch-export --out file.txt/x.pt2",
        2,
        "file.txt/x.pt2: cannot be written (…); give another --out",
    ),
    Row(
        "a link to no picture",
        "search --data link --out new",
        2,
        "link/a.png: is not a file but a broken link, a pipe or a device; remove it",
    ),
    Row(
        "a pipe that is called .png",
        "search --data pipe --out new",
        2,
        "pipe/a.png: is not a file but a broken link, a pipe or a device; remove it",
    ),
    Row(
        "a folder without an architecture",
        "describe images",
        2,
        "images: holds no architecture.json; give the file, or the run folder of a search",
    ),
    Row(
        "a generator of a later version",
        f"{EVALUATE} --generator gen-version",
        2,
        "gen-version/config.json: not a generator's config.json of version 1; update degas, or correct the path",
    ),
    Row(
        "data that are not there",
        "search --data nowhere/images --out new",
        2,
        "nowhere/images: no such file or folder",
    ),
    Row(
        "a word close to an embedded set",
        "search --data digit --out new",
        2,
        "digit: no such file or folder; did you mean 'digits'?",
    ),
    Row(
        "an empty name of data",
        "search --data '' --out new",
        2,
        "--data: is empty; give a value",
    ),
    Row(
        "an empty folder",
        "search --data empty --out new",
        2,
        "empty: no images in it; expected files ending in .jpg, .jpeg, .png, .bmp, …",
    ),
    Row(
        "a file that is no data source",
        "search --data file.txt --out new",
        2,
        "file.txt: not a data source; expected a folder, .zip, .npz, .parquet or an official archive",
    ),
    Row(
        "a truncated picture",
        "search --data truncated --out new",
        2,
        "truncated/a.png: cannot be read as an image (…); repair or remove it",
    ),
    Row(
        "a text file that is called .png",
        "search --data text --out new",
        2,
        "text/a.png: cannot be read as an image (…); repair or remove it",
    ),
    Row(
        "a decompression bomb",
        "search --data bomb --out new",
        2,
        "bomb/a.png: 60000×60000 pixels, over the limit of 64 million; scale it down, or raise --data.max-megapixels",
    ),
    Row(
        "three bad pictures among good ones",
        "search --data some-bad --out new",
        2,
        "3 of 15 pictures cannot be used: some-bad/bomb.png: 60000×60000 pixels, over the limit of 64 million; scale it down, or raise --data.max-megapixels | some-bad/text.png, some-bad/truncated.png: cannot be read as an image (its format is not known); repair or remove it",
    ),
    Row(
        "a picture of 16 bits that uses more of them than said",
        "search --data sixteen --out new --data.bits 12",
        2,
        "sixteen/a.png: holds the value 60,000, which takes 16 bits; give --data.bits 16 or more",
    ),
    Row(
        "a zip file as Windows packs large ones",
        "search --data deflate64.zip --out new",
        2,
        "deflate64.zip: a.png: is packed by Deflate64, which Python cannot unpack; unpack the archive and name the folder",
    ),
    Row(
        "loose pictures beside class folders",
        "search --data both --out new",
        2,
        "both: holds both loose images (loose.png, …) and folders of images; keep one kind of the two",
    ),
    Row(
        "the folder of the images as --out",
        "search --data images --data.image-size 8 --out images",
        2,
        "--out: images is the folder of the images; give another one",
    ),
    Row(
        "a class folder as --out",
        "run --data images --data.image-size 8 --out images/down",
        2,
        "--out: images/down lies among the images and holds 0.png; give a new folder",
    ),
    Row(
        "a folder without a picture that can be read, described",
        "data info text --data.image-size 8",
        2,
        "text/a.png: cannot be read as an image (…); repair or remove it",
    ),
    Row(
        "a picture of the images among them",
        "data info images --data.image-size 8 --out images/grid.png",
        2,
        "--out: images/grid.png would be one of the pictures of images; give a place outside of it",
    ),
    Row(
        "a run as images",
        "search --data run --out new",
        2,
        "run: holds a run of degas; give only the folder of the images",
    ),
    Row(
        "pictures of a format that is not read",
        "search --data heic --out new",
        2,
        "heic: no images in it; expected files ending in .jpg, .jpeg, .png, .bmp, …; 1 picture is left out: its format (.heic) cannot be read here; save it as PNG or JPEG: a.heic",
    ),
    Row(
        "a dataset.json that leaves pictures out",
        "search --data labels-missing --out new",
        2,
        "labels-missing/dataset.json: gives no label for picture b.png; add or remove what is missing",
    ),
    Row(
        "half a dataset.json",
        "search --data labels-cut --out new",
        2,
        "labels-cut/dataset.json: not valid JSON; repair it, or remove it to use folders as classes",
    ),
    Row(
        "a column that metadata.csv lacks",
        "search --data metadata --out new --data.label-column knid",
        2,
        "--data.label-column: metadata/metadata.csv has no column 'knid'; did you mean 'kind'?",
    ),
    Row(
        "labels below 0",
        "search --data negative.npz --out new",
        2,
        "negative.npz: labels: image 0 has label -1; number the classes from 0",
    ),
    Row(
        "half a zip file",
        "search --data cut.zip --out new",
        2,
        "cut.zip: damaged or truncated zip file (…); download it again",
    ),
    Row(
        "a zip file with a member outside",
        "search --data out.zip --out new",
        2,
        "out.zip: member '../a.png' would be unpacked outside its folder; do not trust this archive",
    ),
    Row(
        "half an .npz",
        "search --data cut.npz --out new",
        2,
        "cut.npz: damaged or truncated zip file (…); download it again",
    ),
    Row(
        "an .npz of fractions",
        "search --data float.npz --out new",
        2,
        "float.npz: images: float32 pixels; save them as uint8, 0 to 255",
    ),
    Row(
        "an .npz of Python objects",
        "search --data object.npz --out new",
        2,
        "object.npz: cannot be read (…); save it again",
    ),
    Row(
        "a hub id that is a path",
        "search --data hub:../data --out new",
        2,
        "hub:../data: not a data set's id; write hub:OWNER/NAME, or name a folder without hub:",
    ),
    Row(
        "a hub id that is missing",
        "search --data hub: --out new",
        2,
        "hub:: the data set's id is missing; write hub:OWNER/NAME",
    ),
    Row(
        "a crop larger than the pictures",
        f"{SEARCH} --data.crop-pixels 100",
        2,
        "12 of 12 pictures cannot be used: images/across/0.png, …: 8×8 pixels, too small for --data.crop-pixels 100; leave it out or lower the number",
    ),
    Row(
        "a part of an undivided folder",
        f"{SEARCH} --data.split train",
        2,
        "--data.split: images has no parts such as train and test; leave it out",
    ),
    Row(
        "a held-out share of nothing",
        f"{SEARCH} --search.schedule alternate --search.alpha-batch held_out --search.held-out-fraction 0",
        2,
        "search: held_out_fraction 0 of 12 images leaves none to hold out; choose another --search.held-out-fraction",
    ),
    Row(
        "images for steps on α that are not taken",
        f"{SEARCH} --search.alpha-batch held_out",
        2,
        "search: --search.alpha-batch held_out needs separate steps on α, and --search.schedule joint has none; use --search.schedule alternate",
    ),
    Row(
        "a second-order search with Adam",
        f"{SEARCH} --search.order second",
        2,
        "search: --search.order second unrolls a step of SGD, but the weights use Adam; add --search.weight-optimizer sgd and a rate for it",
    ),
    Row(
        "a cap that nothing fits",
        f"{SEARCH} --max-params 10",
        2,
        "search: no architecture has at most 10 parameters; the smallest has 67,489; raise --max-params or lower --search.width",
    ),
    Row(
        "a cap of multiply-adds that nothing fits",
        f"{SEARCH} --search.max-macs 10",
        2,
        "search: no architecture takes at most 10 multiply-adds; the smallest takes 149,504; raise --max-macs or lower --search.width",
    ),
    Row(
        "a cap with a rule that cannot keep to it",
        f"{SEARCH} --max-params 1000000 --search.prune darts",
        2,
        "search: --search.prune darts cannot keep within a cap on size; leave out one of them",
    ),
    Row(
        "a prefix that is not there",
        f"{SEARCH} --search.prefix none.json",
        2,
        "--search.prefix: none.json: cannot be read: No such file or directory; give an architecture.json",
    ),
    Row(
        "a prefix that is no architecture",
        f"{SEARCH} --search.prefix half.json",
        2,
        "--search.prefix: half.json: not valid JSON: …",
    ),
    Row(
        "a prefix with an unknown operation",
        f"{SEARCH} --search.prefix unknown-operation.json",
        2,
        "--search.prefix: unknown-operation.json: unknown normal operation 'conv_3x4' on edge U0->N1; did you mean 'conv_3x3'?",
    ),
    Row(
        "a prefix as large as the space",
        f"{SEARCH} --preset paper-space --search.prefix arch.json",
        2,
        "--search.prefix arch.json: its num_stages is 1, and the space's is 1, so nothing is left to search; give an architecture with fewer stages, or larger images (--data.image-size)",
    ),
    Row(
        "a prefix of another order",
        "search --data images --data.image-size 16 --out new --quiet --preset paper-space --space.order up-normal --search.prefix arch.json",
        2,
        "--search.prefix arch.json: its order is normal-up, and the space's is up-normal; give --space.order normal-up",
    ),
    Row(
        "a prefix with another number of normal maps",
        "space --space.num-normal 2 --prefix arch.json",
        2,
        "--search.prefix arch.json: its num_normal is 1, and the space's is 2; give --space.num-normal 1",
    ),
    Row(
        "a prefix and one α for all stages",
        "search --data images --data.image-size 16 --out new --quiet --preset paper-space --space.share stages --search.prune paper --search.prefix arch.json",
        2,
        "--search.prefix arch.json: --space.share stages has one decision for all stages; leave out one of the two",
    ),
    Row(
        "two caps for a growing search",
        f"{SEARCH} --search.grow --max-params 100000 --max-macs 100000",
        2,
        "search: --search.grow keeps within one cap on size; leave out --max-params or --max-macs",
    ),
    Row(
        "a growing search by a signal without smaller images",
        f"{SEARCH} --search.grow --search.signal adversarial",
        2,
        "search: --search.grow needs a loss for smaller images, and the signal adversarial has none; use --search.signal glo",
    ),
    Row(
        "epochs of later stages without stages",
        f"{SEARCH} --search.grow-epochs 2",
        2,
        "search: --search.grow-epochs counts only with --search.grow; give both, or leave it out",
    ),
    Row(
        "a polish of too few fits",
        f"{SEARCH} --search.polish 5",
        2,
        "search: --search.polish 5 are too few fits: the found architecture and one neighbour with three seeds each are 6; give 6 or more, or 0",
    ),
    Row(
        "a polish of a search without GLO",
        f"{SEARCH} --search.polish 6 --search.signal adversarial",
        2,
        "search: --search.polish fits by GLO, which is not the loss of --search.signal adversarial; leave out one of them",
    ),
    Row(
        "a polish after DARTS' rule",
        f"{SEARCH} --search.polish 6 --search.prune darts",
        2,
        "search: --search.polish changes one decision at a time, and --search.prune darts makes none; leave out one of them",
    ),
    Row(
        "a polish of a cell",
        f"{SEARCH} --search.polish 6 --search.prune paper --space.share stages",
        2,
        "search: --search.polish changes one stage's decision, and with --space.share stages all stages have one; leave out one of them",
    ),
    Row(
        "a growing search for cells",
        f"{SEARCH} --search.grow --search.prune paper --space.share stages",
        2,
        "search: --search.grow decides stage by stage; leave out --space.share stages",
    ),
    Row(
        "a way to compare α where losses are compared",
        f"{SEARCH} --search.prune perturbation --search.compare centred",
        2,
        "search: --search.compare centred compares α, but --search.prune perturbation compares losses; use --search.prune paper to prune by α",
    ),
    Row(
        "a negative weight of the cost",
        f"{SEARCH} --search.cost-weight -1",
        2,
        "--search.cost-weight: must be at least 0, not -1.0",
    ),
    Row(
        "a cost that is not counted",
        f"{SEARCH} --search.cost flops",
        2,
        "--search.cost: unknown value 'flops'; choose from multiply-adds, parameters",
    ),
    Row(
        "an unknown pruning rule",
        f"{SEARCH} --search.prune perturb",
        2,
        "--search.prune: unknown pruning rule 'perturb'; known are alone, alone_scaled, darts, paper, perturbation; "
        "import your own with --import MODULE",
    ),
    Row(
        "an unknown search signal",
        f"{SEARCH} --search.signal gloo",
        2,
        "--search.signal: unknown search signal 'gloo'; known are adversarial, glo; import your own with --import MODULE",
    ),
    Row(
        "a search by a critic with an unrolled step",
        f"{SEARCH} --search.signal adversarial --search.order second --search.weight-optimizer sgd "
        "--search.schedule alternate",
        2,
        "search: --search.order second unrolls SGD, and --search.signal adversarial has Adam; leave it out",
    ),
    Row(
        "a critic's objective that nobody registered",
        f"{SEARCH} --search.signal adversarial --search.critic-objective hinge",
        2,
        "--search.critic-objective: unknown objective 'hinge'; known are cagan, ct-gan, mmd, r3gan, sn-gan, sn-gan-ttur, wgan-gp; import your own with --import MODULE",
    ),
    Row(
        "a critic's objective in a search without a critic",
        f"{SEARCH} --search.critic-objective mmd",
        2,
        "search: --search.critic-objective: the signal glo has no critic; add --search.signal adversarial, or leave it out",
    ),
    Row(
        "operations that leave a path of one",
        f"{SEARCH} --search.leave anneal --search.paths gumbel",
        2,
        "search: --search.leave anneal removes operations from a mix, and --search.paths has none; leave out one of them",
    ),
    Row(
        "a cell decided layer by layer",
        f"{SEARCH} --search.leave layers --space.share stages --search.prune paper",
        2,
        "search: --search.leave layers decides stages one after the other, and with --space.share stages all have one "
        "decision; use --search.leave shrink",
    ),
    Row(
        "an unknown way to sample paths",
        f"{SEARCH} --search.paths gumbell",
        2,
        "--search.paths: unknown value 'gumbell'; did you mean 'gumbel'?",
    ),
    Row(
        "sampled paths that learn by REINFORCE in a joint step",
        f"{SEARCH} --search.paths reinforce",
        2,
        "search: --search.paths reinforce learns from the loss of a step of its own; use --search.schedule alternate",
    ),
    Row(
        "sampled paths pruned by a mix that they never compute",
        f"{SEARCH} --search.paths gumbel --search.prune perturbation",
        2,
        "search: --search.prune perturbation measures against the mix of an edge's operations, and --search.paths "
        "gumbel never mixes them; use --search.prune alone or paper",
    ),
    Row(
        "an unknown relaxation",
        f"{SEARCH} --search.relaxation gumbell",
        2,
        "--search.relaxation: unknown value 'gumbell'; did you mean 'gumbel'?",
    ),
    Row(
        "a temperature of nothing",
        f"{SEARCH} --search.temperature 0",
        2,
        "--search.temperature: must be above 0, not 0.0",
    ),
    Row(
        "a cap of nothing",
        f"{SEARCH} --max-params 0",
        2,
        "--max-params: must be at least 1, not 0",
    ),
    Row(
        "an empty run folder's name",
        f"search {TINY} --out ''",
        2,
        "--out: is empty; give a value",
    ),
    Row(
        "a file for a run folder",
        f"search {TINY} --out file.txt/run --quiet",
        2,
        "file.txt/run/search: the folder cannot be created (Not a directory); give another --out",
    ),
    Row(
        "a place that cannot be written",
        f"search {TINY} --out /proc/new --quiet",
        2,
        "/proc/new/search: the folder cannot be created (No such file or directory); give another --out",
    ),
    Row(
        "a run folder that holds a run",
        f"search {TINY} --out run --quiet",
        2,
        "run/search holds a finished run; give another --out, or --resume to continue it",
    ),
    Row(
        "several seeds for a run folder that holds one search",
        f"search {TINY} --out run --quiet --seeds 2",
        2,
        "run/search holds a finished run; give another --out, or --resume to continue it",
    ),
    Row(
        "agreement of one seed",
        f"{SEARCH} --seeds 1",
        2,
        "--seeds: must be at least 2, not 1",
    ),
    Row(
        "agreement of no seed",
        f"{SEARCH} --seeds 0",
        2,
        "--seeds: must be at least 2, not 0",
    ),
    Row(
        "a margin to settle by, and no epochs to settle in",
        f"{SEARCH} --search.settle-margin 0.1",
        2,
        "search: --search.settle-margin counts only with --search.settle-epochs; give both",
    ),
    Row(
        "other settings on resume",
        f"search {TINY} --out run --quiet --resume",
        2,
        "run/search: cannot resume: search.width was 64 and is 32 now; resume with the same settings and data, or give another --out",
    ),
    Row(
        "other images on resume",
        f"search {TINY} --out shrunk --quiet --resume",
        2,
        "shrunk/search: cannot resume: the data changed: 40 → 12 images; resume with the same settings and data, or give another --out",
    ),
    Row(
        "a home that does not exist",
        "describe ~nobody-of-that-name/a.json",
        2,
        "~nobody-of-that-name/a.json: no such home folder; write the path in full",
    ),
    Row(
        "an architecture that is not there",
        f"train {TINY} --out new --architecture none.json",
        2,
        "none.json: cannot be read: No such file or directory; give an architecture.json",
    ),
    Row(
        "a baseline that does not exist",
        f"train {TINY} --out new --architecture resnett",
        2,
        "no architecture file, run folder or known name 'resnett'; did you mean 'resnet'?",
    ),
    Row(
        "an architecture of a billion channels",
        "describe wide.json",
        2,
        "wide.json: width must be a whole number from 1 to 2048, not 1000000000",
    ),
    Row(
        "an architecture of 40 stages",
        "describe deep.json",
        2,
        "deep.json: num_stages must be a whole number from 1 to 8, not 40",
    ),
    Row(
        "an architecture of a newer version",
        "describe version.json",
        2,
        "version.json: architecture file version 2 is not 1; update degas",
    ),
    Row(
        "an unknown key in an architecture",
        "describe key.json",
        2,
        "key.json: unknown key 'widht'; did you mean 'width'?",
    ),
    Row(
        "an unknown operation in an architecture",
        "describe unknown-operation.json",
        2,
        "unknown-operation.json: unknown normal operation 'conv_3x4' on edge U0->N1; did you mean 'conv_3x3'?",
    ),
    Row(
        "an architecture of an unknown order",
        "describe order.json",
        2,
        "order.json: order must be 'normal-up' or 'up-normal', not 'up'",
    ),
    Row(
        "an architecture whose operations are of the other order",
        "describe swapped.json",
        2,
        "swapped.json: edge U0->N1 takes an up operation, not 'conv_3x3'; give another, or another 'order' than 'up-normal'",
    ),
    Row(
        "a critic that is not there",
        f"{TRAIN} --gan.critic none.json",
        2,
        "none.json: cannot be read: No such file or directory; give a critic.json",
    ),
    Row(
        "a critic that nobody registered",
        f"{TRAIN} --gan.critic resnett",
        2,
        "--gan.critic: unknown critic 'resnett'; known are resnet; give a critic.json, or import your own with --import MODULE",
    ),
    Row(
        "a folder without a critic",
        f"{TRAIN} --gan.critic images",
        2,
        "--gan.critic: images holds no critic.json; give the file, or the folder of a critic search",
    ),
    Row(
        "an architecture for a critic",
        f"{TRAIN} --gan.critic arch.json",
        2,
        "arch.json: not a critic file ('format' must be 'degas-critic')",
    ),
    Row(
        "a critic of a newer version",
        f"{TRAIN} --gan.critic critic-version.json",
        2,
        "critic-version.json: critic file version 2 is not 1; update degas",
    ),
    Row(
        "an unknown key in a critic",
        f"{TRAIN} --gan.critic critic-key.json",
        2,
        "critic-key.json: unknown key 'stage'; did you mean 'stages'?",
    ),
    Row(
        "an unknown operation in a critic",
        f"{TRAIN} --gan.critic critic-operation.json",
        2,
        "critic-operation.json: stage 1: unknown down operation 'mean_pol'; did you mean 'mean_pool'?",
    ),
    Row(
        "a normal operation where a critic halves",
        f"{TRAIN} --gan.critic critic-kind.json",
        2,
        "critic-kind.json: stage 1: 'down' takes a down operation, but conv_3x3 is a normal one; give another",
    ),
    Row(
        "a critic of too many stages for the images",
        f"{TRAIN} --gan.critic critic-deep.json",
        2,
        "--gan.critic critic-deep.json: 4 stages are too many for 8 px: 3 leave one pixel; remove 1",
    ),
    Row(
        "a critic of too few stages for the images",
        f"{TRAIN} --data.image-size 64 --space.base-size 32 --gan.critic critic-shallow.json",
        2,
        '--gan.critic critic-shallow.json: 1 stage is too few for 64 px: the last map has 32 px and may have 16; add 1, or give a stage "repeat": true',
    ),
    Row(
        "a growing training with a critic that has nothing to begin with",
        f"{TRAIN} --gan.grow fade --gan.critic critic-shallow.json",
        2,
        "--gan.critic critic-shallow.json: halves once and has no normal operation, so no part of it is left to begin with; add a stage or a normal operation, or leave out --gan.grow",
    ),
    Row(
        "a growing training of a generator without images on the way",
        f"train {TINY} --out new --quiet --architecture dcgan --gan.grow fade",
        2,
        "--gan.grow: an architecture or resnet can grow, dcgan cannot; leave it out",
    ),
    Row(
        "a whole job with a critic that is not there",
        f"{RUN} --gan.critic none.json",
        2,
        "none.json: cannot be read: No such file or directory; give a critic.json",
    ),
    Row(
        "a search for a critic beside a generator that is not there",
        "experiment critic-search --data images --data.image-size 8 --generators gen none/gen --out new",
        2,
        "none/gen/config.json: cannot be read: No such file or directory; give the folder that `degas train` wrote",
    ),
    Row(
        "a search for a critic among operations that keep the size, where one must halve",
        "experiment critic-search --data images --data.image-size 8 --generators gen --out new --down-operations skip",
        2,
        "--down-operations: unknown down operation 'skip'; choose from blur_pool, max_pool, mean_pool, space_to_depth, strided_conv_4x4",
    ),
    Row(
        "a search for a critic with a given critic",
        "experiment critic-search --data images --data.image-size 8 --generators gen --out new --gan.critic resnet",
        2,
        "--gan.critic: has no meaning in a search for a critic; leave it out",
    ),
    Row(
        "a contest of critics with one that is not there",
        "experiment critic-contest --data images --data.image-size 8 --critics none.json --out new",
        2,
        "none.json: cannot be read: No such file or directory; give a critic.json",
    ),
    Row(
        "a contest of critics that promotes more than take part",
        "experiment critic-contest --data images --data.image-size 8 --out new --num-candidates 4",
        2,
        "--promote: needs two numbers, the first at most --num-candidates, the second no larger",
    ),
    Row(
        "a list for an architecture",
        "describe list.json",
        2,
        "list.json: must be a JSON object",
    ),
    Row(
        "half an architecture",
        "describe half.json",
        2,
        "half.json: not valid JSON: …",
    ),
    Row(
        "brackets nested 50,000 deep",
        "describe nested.json",
        2,
        "nested.json: not an architecture file: nested too deeply",
    ),
    Row(
        "an architecture of two megabytes",
        "describe large.json",
        2,
        "large.json: too large for an architecture file (over 1048576 bytes)",
    ),
    Row(
        "an endless file",
        "describe /dev/zero",
        2,
        "/dev/zero: too large for an architecture file (over 1048576 bytes)",
    ),
    Row(
        "a picture for an architecture",
        "describe images/down/1.png",
        2,
        "images/down/1.png: not valid JSON: …",
    ),
    Row(
        "a generator's config for an architecture",
        "describe gen/config.json",
        2,
        "gen/config.json: not an architecture file ('format' must be 'degas-architecture')",
    ),
    Row(
        "an image size the architecture cannot make",
        "describe arch.json --image-size 7",
        2,
        "architecture: 1 stages cannot make 7 px; use a multiple of 2",
    ),
    Row(
        "a drawing of an unknown kind",
        "describe arch.json --out drawing.bmp",
        2,
        "--out drawing.bmp: ends in .bmp; name a file that ends in .png or .svg",
    ),
    Row(
        "a generator that is not there",
        f"evaluate {TINY} --out new --generator none",
        2,
        "no generator folder, run folder or shipped generator 'none'; choose from degas-cifar10, degas-digits",
    ),
    Row(
        "a generator's folder that is not there",
        f"evaluate {TINY} --out new --generator runs/none",
        2,
        "runs/none/config.json: cannot be read: No such file or directory; give the folder that `degas train` wrote",
    ),
    Row(
        "the name of a shipped generator, mistyped",
        f"train {TINY} --out new --init degas-digit",
        2,
        "no generator folder, run folder or shipped generator 'degas-digit'; did you mean 'degas-digits'?",
    ),
    Row(
        "half a weights file",
        "sample --generator gen-cut --out new.png",
        2,
        "gen-cut/model.safetensors: cannot be read (…); copy the generator folder again",
    ),
    Row(
        "a weights file with a huge header",
        "sample --generator gen-header --out new.png",
        2,
        "gen-header/model.safetensors: cannot be read (…); copy the generator folder again",
    ),
    Row(
        "a pickle for a weights file",
        "sample --generator gen-pickle --out new.png",
        2,
        "gen-pickle/model.safetensors: cannot be read (…); copy the generator folder again",
    ),
    Row(
        "weights of another width",
        "sample --generator gen-other --out new.png",
        2,
        "gen-other/model.safetensors: does not fit the config.json next to it: …",
    ),
    Row(
        "a generator of a billion channels",
        "sample --generator gen-wide --out new.png",
        2,
        "gen-wide/config.json: width must be a whole number from 1 to 2048, not 1000000000",
    ),
    Row(
        "a generator of an unknown kind",
        "sample --generator gen-kind --out new.png",
        2,
        "gen-kind/config.json: unknown kind 'resnett'; did you mean 'resnet'?",
    ),
    Row(
        "half a generator's config",
        "sample --generator gen-config --out new.png",
        2,
        "gen-config/config.json: not valid JSON: …",
    ),
    Row(
        "a generator of another size",
        "evaluate --data images --data.image-size 16 --out new --quiet --generator gen",
        2,
        "images: the generator makes 1×8×8 images, but the data are 1×16×16; give --data.image-size 8 --data.channels 1",
    ),
    Row(
        "neither an architecture nor weights to train",
        f"train {TINY} --out new",
        2,
        "missing --architecture NAME or --init; see degas train --help",
    ),
    Row(
        "weights of another image size",
        "train --data images --data.image-size 16 --out new --init gen",
        2,
        "images: the generator of --init makes 1×8×8 images, but the data are 1×16×16; give --data.image-size 8 --data.channels 1",
    ),
    Row(
        "weights of another architecture",
        f"train {TINY} --out new --architecture resnet --init gen",
        2,
        "--architecture: gen has another one; leave it out, since --init gives its own",
    ),
    Row(
        "another width for given weights",
        f"train {TINY} --out new --init gen --gan.generator-width 8",
        2,
        "--gan.generator-width 8: the generator of --init has 4; leave it out",
    ),
    Row(
        "a start for weights that are given",
        f"train {TINY} --out new --init gen --gan.frame-start resnet",
        2,
        "--gan.frame-start: sets initial weights, but --init gives trained ones; leave out one of them",
    ),
    Row(
        "growth for weights that are given",
        f"train {TINY} --out new --init gen --gan.grow fade",
        2,
        "--gan.grow: begins with new weights at a small size; leave out --init or --gan.grow",
    ),
    Row(
        "labels for weights without classes",
        f"train {TINY} --out new --init gen --gan.supervised",
        2,
        "--init gen: it has no classes; leave out --gan.supervised, or give a generator of 2 classes",
    ),
    Row(
        "weights with classes, and no labels",
        f"train {TINY} --out new --init gen-three",
        2,
        "--init gen-three: its batch norms are conditional on 3 classes; add --gan.supervised, or give a generator without classes",
    ),
    Row(
        "weights of other classes",
        f"train {TINY} --out new --init gen-three --gan.supervised",
        2,
        "--init gen-three: it has 3 classes, but images has 2; give images of 3 classes, or another generator",
    ),
    Row(
        "seeds of a search that given weights skip",
        "run --data images --data.image-size 8 --out new --init gen --seeds 3",
        2,
        "--seeds: there is no search with --init; leave out one of the two",
    ),
    Row(
        "three samples to measure",
        f"{EVALUATE} --evaluate.num-samples 3",
        2,
        "--evaluate.num-samples: 3 images are too few to measure; at least 8 are needed",
    ),
    Row(
        "a classifier that is not there",
        f"{EVALUATE} --evaluate.extractor classifier --evaluate.classifier none",
        2,
        "--evaluate.classifier: none/config.json is missing; make it again with `degas features train --data SRC --out FOLDER`",
    ),
    Row(
        "no classifier named",
        f"{EVALUATE} --evaluate.extractor classifier",
        2,
        "--evaluate.classifier: the classifier extractor needs a folder written by `degas features train --data SRC --out FOLDER`; make one, or use --evaluate.extractor imagenet",
    ),
    Row(
        "a wrong file for Inception's weights",
        f"{EVALUATE} --evaluate.extractor inception --inception-weights file.txt",
        2,
        "file.txt: SHA-256 is … and give it as --evaluate.inception-weights FILE, or use --evaluate.extractor imagenet",
    ),
    Row(
        "a file where scores should go",
        f"evaluate {TINY} --out file.txt/run --quiet --generator gen",
        2,
        "file.txt/run/evaluation: the folder cannot be created (Not a directory); give another --out",
    ),
    Row(
        "zero samples",
        "sample --generator gen --out new.png --num-images 0",
        2,
        "--num-images: must be at least 1, not 0",
    ),
    Row(
        "more samples than a picture holds",
        "sample --generator gen --out new.png --num-images 9000000",
        2,
        "--num-images: too many for one picture; give a folder as --out, or draw fewer",
    ),
    Row(
        "a sample of nothing",
        "sample",
        2,
        "missing --generator GENERATOR, --out PATH; see degas sample --help",
    ),
    Row(
        "a walk of no steps",
        "sample --generator gen --out new.png --interpolate 0",
        2,
        "--interpolate: must be at least 1, not 0",
    ),
    Row(
        "a walk from one sample to nowhere",
        "sample --generator gen --out new.png --interpolate 3 --num-images 1",
        2,
        "--num-images: a walk connects at least two samples; give 2 or more",
    ),
    Row(
        "a walk longer than anyone watches",
        "sample --generator gen --out new.webp --interpolate 1000 --num-images 100",
        2,
        "--interpolate: 100,100 images are too many for one walk; at most 2,000",
    ),
    Row(
        "a walk as a kind of file that is not written",
        "sample --generator gen --out new.mp4 --interpolate 3",
        2,
        "--out new.mp4: ends in .mp4; name a file that ends in .png or .webp or .gif",
    ),
    Row(
        "a walk of a generator in no run folder, and no file for it",
        "sample --generator gen --interpolate 3",
        2,
        "missing --out PATH: gen is not a run folder, where --interpolate would write walk.webp",
    ),
    Row(
        "a film of a run that has not been trained",
        "sample --film images",
        2,
        "images/train/samples: holds fewer than two sample grids; train with --gan.sample-steps, such as a tenth of the steps",
    ),
    Row(
        "a film and samples in one command",
        "sample --film run --generator gen",
        2,
        "--generator: --film does not use it; leave out one of the two",
    ),
    Row(
        "a label of an unconditional generator",
        "sample --generator gen --out new.png --label cat",
        2,
        "--label: this generator is unconditional; train one with --gan.supervised",
    ),
    Row(
        "a folder in the place of a drawn architecture",
        "random --out folder.json",
        2,
        "folder.json: cannot be written (Is a directory); free it, or name another place",
    ),
    Row(
        "a file for a folder of samples",
        "sample --generator gen --out file.txt/new --num-images 1",
        2,
        "file.txt/new: cannot be written (Not a directory); free it, or name another place",
    ),
    Row(
        "a folder for an exported file",
        "export --generator gen --out images",
        2,
        "--out images: is a folder; name a file that ends in .onnx or .pt2, or give --format",
    ),
    Row(
        "a report of a folder without a run",
        "report empty",
        2,
        "empty: holds no search, train or evaluation results; give the --out of an earlier command",
    ),
    Row(
        "a report of no folder",
        "report none",
        2,
        "none: no such folder; give a run folder, the --out of an earlier command",
    ),
    Row(
        "a drawn architecture of no channels",
        "random --width 0",
        2,
        "architecture: width must be a whole number from 1 to 2048, not 0",
    ),
    Row(
        "a drawn architecture onto a folder",
        "random --out images",
        2,
        "--out images: is a folder; name a file that ends in .json",
    ),
    Row(
        "a space of a billion channels",
        "space --width 1000000000",
        2,
        "--width: must be at most 2048, not 1000000000",
    ),
    Row(
        "an archive that cannot be fetched",
        "data fetch cifar100",
        2,
        "degas data fetch: unknown data set 'cifar100'; did you mean 'cifar10'?",
    ),
    Row(
        "a data command that does not exist",
        "data show images",
        2,
        "unknown command 'data show'; choose from cache, fetch, info",
    ),
    Row(
        "a classifier of unlabelled images",
        "features train --data one --out new --quiet",
        2,
        "one: a classifier needs labelled images of two classes or more",
    ),
    Row(
        "a classifier of too few images",
        f"features train {TINY} --out new --quiet",
        2,
        "images: 12 images are too few to train a classifier; 20 are needed",
    ),
    Row(
        "a file of a sweep that is not there",
        "sweep sweeps/nothing.toml --out new",
        2,
        "sweeps/nothing.toml: cannot be read (No such file or directory); check whether it was moved or removed",
    ),
    Row(
        "a folder as a sweep's file",
        "sweep images --out new",
        2,
        "images: cannot be read (Is a directory); a file is expected; correct the path",
    ),
    Row(
        "a sweep's file that is no TOML",
        "sweep sweeps/broken.toml --out new",
        2,
        "sweeps/broken.toml, line 1, column 6: expected ']' at the end of a table declaration; write [grid]",
    ),
    Row(
        "a sweep without trials",
        "sweep sweeps/no-grid.toml --out new",
        2,
        "sweeps/no-grid.toml: has neither [grid] nor [[list]]; write [grid] with, for example, seed = [0, 1, 2]",
    ),
    Row(
        "a sweep of a command that does not exist",
        "sweep sweeps/misspelt.toml --out new",
        2,
        "sweeps/misspelt.toml, line 1: no trial can be degas trian; did you mean 'train'?",
    ),
    Row(
        "a sweep over a setting that does not exist",
        "sweep sweeps/setting.toml --out new",
        2,
        "sweeps/setting.toml, line 6: trial widht=4: unknown setting --gan.widht; did you mean '--gan.width'?",
    ),
    Row(
        "a sweep over a value that is none",
        "sweep sweeps/value.toml --out new",
        2,
        "sweeps/value.toml, line 6: trial width=wide: --gan.width: 'wide' is not a whole number, such as 200, 5,000 or 200k",
    ),
    Row(
        "a sweep that names run folders itself",
        "sweep sweeps/out.toml --out new",
        2,
        "sweeps/out.toml, line 4: out is not for a sweep's file: degas sweep names every run folder; leave it out",
    ),
    Row(
        "a sweep over one value",
        "sweep sweeps/one-value.toml --out new",
        2,
        "sweeps/one-value.toml, line 4: seed has one value; write seed = [3], or put it into [options]",
    ),
    Row(
        "halving with one mark",
        "sweep sweeps/marks.toml --out new",
        2,
        "sweeps/marks.toml, line 6: marks are two or more rising generator steps; write marks = [500, 1000, 2000]",
    ),
    Row(
        "halving without seeds",
        "sweep sweeps/no-block.toml --out new",
        2,
        "sweeps/no-block.toml, line 5: not every trial has the setting 'seed'; write seed = [0, 1, 2] in [grid]",
    ),
    Row(
        "halving beyond the end of a training",
        "sweep sweeps/beyond.toml --out new",
        2,
        "sweeps/beyond.toml, line 7: the last mark, 10, is beyond gan.num-steps (8); lower it",
    ),
    Row(
        "halving of trainings that grow",
        "sweep sweeps/grown.toml --out new",
        2,
        "sweeps/grown.toml, line 6: a training with gan.grow makes smaller images at early marks; leave out gan.grow",
    ),
    Row(
        "more processes than cores",
        "sweep sweeps/widths.toml --out new --processes 999",
        2,
        "--processes: 999 with 1 core each need 999 cores, and this machine gives …; give at most …",
    ),
    Row(
        "a number of processes on a cluster",
        "sweep sweeps/widths.toml --out new --address auto --processes 2",
        2,
        "--processes: counts for --address local only; a cluster's cores decide; leave it out",
    ),
    Row(
        "no core for a trial",
        "sweep sweeps/widths.toml --out new --cpus-per-trial 0",
        2,
        "--cpus-per-trial: must be at least 1, not 0",
    ),
    Row(
        "processes for one search",
        f"{SEARCH} --processes 2",
        2,
        "--processes: counts for the searches of --seeds; give --seeds as well, or leave --processes out",
    ),
    Row(
        "a grown search in processes",
        "search --data images --data.image-size 16 --out new --quiet --search.grow --seeds 2 --processes 2",
        2,
        "--search.grow: each stage follows from the one before; leave out --processes, --address",
    ),
    Row(
        "cores for trials without processes",
        "experiment found-vs-random --architecture arch.json --data images --out new --cpus-per-trial 2",
        2,
        "--cpus-per-trial: counts for trials in processes; give --processes as well",
    ),
    Row(
        "a second pass in CUDA graphs",
        f"{SEARCH} --search.cuda-graphs --search.checkpoint-activations",
        2,
        "search: --search.cuda-graphs records no second pass; leave out --search.checkpoint-activations",
    ),
)


SWEEPS = {  # name → a sweep's file
    "widths": 'command = "train"\n[options]\ndata = "images"\narchitecture = "resnet"\n[grid]\ngan.width = [4, 8]\n',
    "broken": "[grid\nseed = [0, 1]\n",
    "no-grid": 'command = "train"\n[options]\ndata = "images"\n',
    "misspelt": 'command = "trian"\n[grid]\nseed = [0, 1]\n',
    "setting": 'command = "train"\n[options]\ndata = "images"\narchitecture = "resnet"\n[grid]\ngan.widht = [4, 8]\n',
    "value": 'command = "train"\n[options]\ndata = "images"\narchitecture = "resnet"\n[grid]\ngan.width = [4, "wide"]\n',
    "out": 'command = "train"\n[options]\ndata = "images"\nout = "elsewhere"\n[grid]\nseed = [0, 1]\n',
    "one-value": '[options]\ndata = "images"\n[grid]\nseed = 3\n',
    "marks": '[options]\ndata = "images"\n[grid]\nseed = [0, 1]\n[halving]\nmarks = [500]\n',
    "no-block": '[options]\ndata = "images"\n[grid]\ngan.width = [4, 8]\n[halving]\nmarks = [5, 10]\n',
    "grown": '[options]\ndata = "images"\ngan.grow = "fade"\n[grid]\nseed = [0, 1]\n[halving]\nmarks = [5, 10]\n',
    "beyond": '[options]\ndata = "images"\n[grid]\nseed = [0, 1]\ngan.num-steps = [8, 10]\n[halving]\nmarks = [5, 10]\n',
}


def make_folder(root: Path) -> None:
    """Good and bad files, small: images, architectures, a generator, a run folder, sweeps."""
    for name, text in SWEEPS.items():
        _write(root / "sweeps" / f"{name}.toml", text.encode())
    images = root / "images"
    for name, axis in (("across", 0), ("down", 1)):
        for k in range(6):
            pixels = (np.indices((8, 8))[axis] // 2 % 2 * 200 + 5 * k).astype(np.uint8)
            _save(images / name / f"{k}.png", pixels)
    (root / "empty").mkdir()
    (root / "folder.json").mkdir()
    (root / "file.txt").write_text("no picture\n")
    _bad_images(root)
    _architectures(root)
    _generators(root)
    for name, config in (("run", begun_search(images, width=64)), ("shrunk", {"data": {"num_images": 40}})):
        (root / name / "search").mkdir(parents=True)
        (root / name / "search" / "config.json").write_text(json.dumps({"kind": "search", **config}))
        for entry, content in (("done.json", "{}"), (".lock", "")):
            (root / name / "search" / entry).write_text(content)


def begun_search(source: Path, **changes: Any) -> dict[str, Any]:
    """What a search of these images with the preset `default` and some changes records in its config.json."""
    images = load_images(str(source), DataSettings(image_size=8))
    space = SpaceSettings(**preset_values("default")["space"])
    return SearchJob(images, space, SearchSettings(**changes), Setup("default", "cpu", False, "none", "")).config(0)


def _bad_images(root: Path) -> None:
    whole = (root / "images" / "down" / "1.png").read_bytes()
    _write(root / "truncated" / "a.png", whole[:40])
    _write(root / "text" / "a.png", b"no picture")
    _write(root / "bomb" / "a.png", bomb(60_000, 60_000))
    for name in ("text", "truncated", "bomb"):
        _write(root / "some-bad" / f"{name}.png", (root / name / "a.png").read_bytes())
    for k in range(12):
        _save(root / "some-bad" / f"{k}.png", np.full((8, 8), k, np.uint8))
    _save(root / "sixteen" / "a.png", np.full((8, 8), 60_000, np.uint16))
    _save(root / "both" / "loose.png", np.zeros((8, 8), np.uint8))
    _save(root / "both" / "class" / "a.png", np.zeros((8, 8), np.uint8))
    _save(root / "one" / "a.png", np.zeros((8, 8), np.uint8))
    _write(root / "heic" / "a.heic", b"\0\0\0\x18ftypheic" + bytes(200))
    tables = {
        "labels-missing/dataset.json": '{"labels": [["a.png", 0]]}',
        "labels-cut/dataset.json": '{"labels": [',
        "metadata/metadata.csv": "file_name,kind\na.png,cat\nb.png,dog\n",
    }
    for name, table in tables.items():
        _write(root / name, table.encode())
        for picture in ("a", "b"):
            _write((root / name).with_name(f"{picture}.png"), whole)
    np.savez(root / "negative.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(4) - 1)
    for name in ("link", "pipe"):
        (root / name).mkdir()
    (root / "link" / "a.png").symlink_to("nowhere.png")
    os.mkfifo(root / "pipe" / "a.png")
    (root / "cut.zip").write_bytes(b"PK\3\4 and no more")
    (root / "cut.npz").write_bytes(b"PK\3\4 and no more")
    with zipfile.ZipFile(root / "out.zip", "w") as archive:
        archive.writestr("../a.png", whole)
    with zipfile.ZipFile(root / "deflate64.zip", "w") as archive:
        archive.writestr("a.png", whole)
    packed = (root / "deflate64.zip").read_bytes()
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = packed.index(signature) + offset
        packed = packed[:at] + b"\x09\0" + packed[at + 2 :]
    (root / "deflate64.zip").write_bytes(packed)
    np.savez(root / "float.npz", images=np.zeros((4, 8, 8), np.float32))
    np.savez(root / "object.npz", images=np.array([{}, {}], dtype=object))


def _architectures(root: Path) -> None:
    good = Architecture(1, 1, 4, 4, 8, 1, SearchSpace(1).draw(0)).to_dict()
    edges = {"N1": [{"from": "U0", "operation": "conv_3x4"}], "U1": [{"from": "N1", "operation": "deconv_4x4"}]}
    nodes = {"N1": [{"from": "U0", "operation": "conv_3x3"}], "U1": edges["U1"]}
    variants: dict[str, Any] = {
        "arch": good,
        "wide": {**good, "width": 10**9},
        "deep": {**good, "num_stages": 40},
        "version": {**good, "version": 2},
        "key": {**good, "widht": 3},
        "unknown-operation": {**good, "nodes": edges},
        "order": {**good, "order": "up"},
        "swapped": {**good, "order": "up-normal", "nodes": nodes},
        "list": [good],
    }
    for name, value in {**variants, **_critics()}.items():
        (root / f"{name}.json").write_text(json.dumps(value))
    (root / "half.json").write_text(json.dumps(good)[:50])
    (root / "nested.json").write_text("[" * 50_000)
    (root / "large.json").write_bytes(b" " * (2 << 20))


def _critics() -> dict[str, Any]:
    good = CriticLayout((CriticStage("mean_pool"),)).to_dict()
    return {
        "critic-version": {**good, "version": 2},
        "critic-key": {**good, "stage": []},
        "critic-operation": {**good, "stages": [{"down": "mean_pol"}]},
        "critic-kind": {**good, "stages": [{"down": "conv_3x3"}]},
        "critic-deep": {**good, "stages": good["stages"] * 4},
        "critic-shallow": good,
    }


def _generators(root: Path) -> None:
    from degas.generator.generator import Generator
    from degas.runtime.rng import forked_rng

    with forked_rng(0, "bad input"):
        Generator.from_architecture(Architecture.load(root / "arch.json")).save(root / "gen")
        Generator.from_architecture(Architecture.load(root / "arch.json"), num_classes=3).save(root / "gen-three")
    config = (root / "gen" / "config.json").read_text()
    weights = (root / "gen" / "model.safetensors").read_bytes()
    for name in (
        "gen-cut",
        "gen-header",
        "gen-pickle",
        "gen-wide",
        "gen-kind",
        "gen-other",
        "gen-config",
        "gen-version",
    ):
        _write(root / name / "config.json", config.encode())
        _write(root / name / "model.safetensors", weights)
    (root / "gen-cut" / "model.safetensors").write_bytes(weights[:-100])
    (root / "gen-header" / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + weights[8:])
    (root / "gen-pickle" / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'touch hacked'\ntR.")
    (root / "gen-wide" / "config.json").write_text(config.replace('"width": 4', '"width": 1000000000'))
    (root / "gen-kind" / "config.json").write_text(config.replace('"kind": "architecture"', '"kind": "resnett"'))
    (root / "gen-other" / "config.json").write_text(config.replace('"width": 4', '"width": 8'))
    (root / "gen-config" / "config.json").write_text("{")
    (root / "gen-version" / "config.json").write_text(config.replace('"version": 1', '"version": 2', 1))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def document() -> str:
    """docs/bad-input.md."""
    lines = [
        "# Does every mistake get one clear line?",
        "",
        f"**Answer.** Every one of the {len(ROWS)} that we list, each run by the tests, message and all.",
        "",
        "A mistake ends with exit status 2 and one line that starts with `degas: ` and says where it is, what is wrong",
        "and, where it is not plain, how to mend it; never with a traceback, and never after the work is done if it could",
        "be told before. Below, `images` is a folder of pictures, `gen`",
        "a generator, `run` a run folder, `arch.json` an architecture, and `…` stands for the options that every command",
        "needs. Exit statuses: 0 done, 1 internal error or out of memory, 2 the user's input or usage, 130 interrupted,",
        "143 terminated after saving.",
        "",
        "## Command, seeds, machine, hours",
        "",
        "`python tests/reference/bad_input.py` writes the page; `tests/integration/test_bad_input.py` runs every row.",
        "",
        "| given | command | status | message |",
        "|---|---|---|---|",
    ]
    for row in ROWS:
        cells = (row.given, f"`{_short(row.command)}`", str(row.status), row.message)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "## What it does not say",
        "",
        "The list holds the mistakes that we thought of or met, and no others.",
    ]
    return "\n".join(lines) + "\n"


def _short(command: str) -> str:
    for name, start in (("search", SEARCH), ("train", TRAIN), ("evaluate", EVALUATE)):
        command = command.replace(start, f"{name} …")
    return command


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
