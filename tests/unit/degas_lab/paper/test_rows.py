"""The rows of the paper's tables, their commands, and the tiny official files of the scale `smoke`."""

from __future__ import annotations

import shlex
import tarfile
from pathlib import Path

import pytest
from official_files import cifar_record, stl_image

from degas.cli.commands import find_command
from degas.cli.parse import parse
from degas.data.sources import load_images
from degas.report.paper import ROWS as PRINTED
from degas.settings.resolve import settings_for
from degas.settings.sections import DataSettings, GanSettings, SearchSettings, SpaceSettings
from degas_lab.paper.commands import row_commands, search_command
from degas_lab.paper.rows import IMAGE_SIZES, TABLES, Search, data_sets_of, only_printed, searches_of
from degas_lab.paper.scales import SCALES
from degas_lab.paper.tiny_files import NUM_IMAGES, discs, write_tiny

SOURCES = {"cifar10": "cifar-10-binary.tar.gz", "stl10": "stl10_binary.tar.gz", "celeba": "img_align_celeba.zip"}


def test_every_row_of_the_paper_stands_in_a_table() -> None:
    """Ours beside it, or quoted; the ablation on STL-10 stands in table 3, with the other rows of that data set."""
    for printed in PRINTED:
        number = printed.table.split()[1].rstrip(",")
        tables = [number] if printed.what != "searched at 32 px" else ["3"]
        ours = [row for table in tables for row in TABLES[table] if row.paper(table) is printed]
        quoted = [row for table in tables for row in only_printed(table) if row is printed]
        assert len(ours) + len(quoted) == 1, printed
        if printed.ours is not None:
            assert ours


def test_rows_of_one_name_are_one_trial() -> None:
    known: dict[str, object] = {}
    for rows in TABLES.values():
        for row in rows:
            trained = (row.data, row.maker, row.search, row.objective, row.noise_size)
            assert known.setdefault(row.name, trained) == trained


def test_a_table_names_its_data_and_searches_once() -> None:
    assert data_sets_of("3") == ["cifar10", "stl10"]
    assert data_sets_of("figure3") == ["cifar10"]
    assert [search.name for search in searches_of("4")] == ["cifar10", "cifar10-n2", "cifar10-16px"]
    assert [search.name for search in searches_of("celeba")] == ["celeba", "cifar10"]


@pytest.mark.parametrize("scale", list(SCALES))
@pytest.mark.parametrize("table", list(TABLES))
def test_the_commands_of_every_row_are_commands(table: str, scale: str) -> None:
    for row in TABLES[table]:
        for line in row_commands(row, 3, SCALES[scale], SOURCES):
            program, *words = shlex.split(line.replace("WIDTH", "17"))
            assert program == "degas"
            module, name, rest = find_command(words)
            options = parse(module.Options, name, rest)
            assert options.seed == 3
            if name == "train":
                assert options.gan.objective == row.objective
                assert options.data.image_size == IMAGE_SIZES[row.data]


@pytest.mark.parametrize("search", [Search("stl10"), Search("cifar10", 16, 2), Search("cifar10", num_normal=2)])
def test_the_command_of_a_search_has_the_runners_settings(search: Search) -> None:
    """A source's name gives no rate here: the row's data set does."""
    scale = SCALES["small"]
    words = shlex.split(search_command(search, 1, scale, {**SOURCES, "stl10": "pictures"}))
    module, name, rest = find_command(words[1:])
    options = parse(module.Options, name, rest)
    given = {**search.rates(), "width": scale.width, **scale.search}
    assert options.search == settings_for("search", SearchSettings, given, "paper")
    assert options.space == settings_for("space", SpaceSettings, search.space_settings(), "paper")
    assert options.data.max_images == scale.search_images
    assert (options.search.weight_lr, options.search.latent_lr) == ((0.03, 0.3) if search.data == "stl10" else (0.3, 3))


def test_ablations_differ_from_degas_in_one_thing() -> None:
    """At the size of training: equal stages, noise, order of operations; what is ablated aside."""
    sizes = {}
    for row in TABLES["4"][:3]:
        assert row.search is not None
        space = settings_for("space", SpaceSettings, row.search.space_settings(), "paper")
        graph, base_size = space.resolve(row.search.pixels)
        scaled = base_size * IMAGE_SIZES[row.data] // row.search.pixels
        noise = row.noise_size or 128 * IMAGE_SIZES[row.data] // row.search.pixels
        sizes[row.name] = (graph.num_stages, scaled, noise, space.order, space.separable_order)
    assert set(sizes.values()) == {(3, 4, 128, "normal-up", "darts")}


@pytest.mark.parametrize("name", list(SOURCES))
def test_tiny_files_are_read_as_the_official_ones(name: str, tmp_path: Path) -> None:
    path = write_tiny(name, tmp_path)
    assert path.name == SOURCES[name]
    images = load_images(str(path), DataSettings(image_size=IMAGE_SIZES[name], cache=tmp_path / "cache"))
    assert (images.num_images, images.channels, images.image_size) == (NUM_IMAGES, 3, IMAGE_SIZES[name])
    if name == "cifar10":  # in whatever order
        read, written = images.images, discs(NUM_IMAGES, 32, 32)
        assert sorted(image.tobytes() for image in read) == sorted(image.tobytes() for image in written)
    before = path.stat().st_mtime_ns
    assert write_tiny(name, tmp_path).stat().st_mtime_ns == before


def test_tiny_bytes_are_those_of_slow_writers(tmp_path: Path) -> None:
    with tarfile.open(write_tiny("cifar10", tmp_path)) as archive:
        first = archive.extractfile("cifar-10-batches-bin/data_batch_1.bin")
        assert first is not None
        assert first.read()[:3073] == cifar_record(discs(1, 32, 32)[0], 0)
    with tarfile.open(write_tiny("stl10", tmp_path)) as archive:
        pixels = archive.extractfile("stl10_binary/unlabeled_X.bin")
        assert pixels is not None
        assert pixels.read()[: 3 * 96 * 96] == stl_image(discs(1, 96, 96)[0])


def test_scales_change_only_what_exists() -> None:
    for scale in SCALES.values():
        settings_for("search", SearchSettings, scale.search, "paper")
        settings_for("gan", GanSettings, scale.gan, "paper")
