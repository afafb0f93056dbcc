from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.data import cache
from degas.data import origin as records
from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings

NUM = 40


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for i in range(NUM):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 255 - i)).save(path)
    return tmp_path / "data"


def load(source: Path, **settings):
    settings = {"cache": source.parent / "cache", "image_size": 8, **settings}
    return load_images(str(source), DataSettings(**settings))


def entries(source: Path) -> list[Path]:
    return sorted(p for p in (source.parent / "cache" / "images").iterdir() if p.is_dir())


@pytest.fixture
def count_builds(monkeypatch) -> list[int]:
    builds: list[int] = []
    real = cache._build_entry
    monkeypatch.setattr(cache, "_build_entry", lambda *a: (builds.append(1), real(*a))[1])
    return builds


def test_the_second_start_maps_the_first_ones_pixels(source: Path, count_builds) -> None:
    first, second = load(source), load(source)
    assert len(count_builds) == 1
    assert isinstance(second.images, np.memmap)
    assert not second.images.flags.writeable
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)
    assert (first.fingerprint, first.class_names) == (second.fingerprint, ("a", "b"))
    about = json.loads((entries(source)[0] / "about.json").read_text())
    assert "time" not in about


@pytest.mark.parametrize(
    "settings", [{"image_size": 4}, {"channels": 1}, {"max_images": 3}, {"fit": "stretch"}, {"crop_pixels": 5}]
)
def test_other_settings_never_share_an_entry(source: Path, count_builds, settings) -> None:
    load(source)
    load(source, **settings)
    assert len(count_builds) == 2
    load(source)
    load(source, **settings)
    assert len(count_builds) == 2


def rewrite(path: Path, value: int, keep_times: bool = False) -> None:
    before = path.stat()
    Image.new("RGB", (8, 8), (value, 1, 1)).save(path)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", ["content", "content, time restored", "added", "removed", "renamed", "class"])
def test_a_changed_source_is_decoded_again(source: Path, count_builds, change: str) -> None:
    old = load(source)
    target = source / "a" / "000.png"
    if change.startswith("content"):
        rewrite(target, 99, keep_times="restored" in change)
    elif change == "added":
        Image.new("RGB", (8, 8)).save(source / "a" / "999.png")
    elif change == "removed":
        target.unlink()
    else:
        target.rename(source / "a" / "last.png" if change == "renamed" else source / "b" / "000.png")
    assert load(source).fingerprint != old.fingerprint
    assert len(count_builds) == 2


@pytest.mark.parametrize("verify", [False, True])
def test_a_source_that_changes_while_it_is_read_is_not_cached(source: Path, monkeypatch, verify: bool) -> None:
    real = cache.decode_all

    def changing(pictures, rule):
        yield from real(pictures, rule)
        rewrite(source / "a" / "000.png", 99)

    monkeypatch.setattr(cache, "decode_all", changing)
    with pytest.raises(UserError, match="changed while it was read"):
        load(source, verify=verify)
    assert entries(source) == []


def test_a_second_folder_of_equal_listing_has_its_own_entry(source: Path, tmp_path: Path) -> None:
    """Names, sizes and times all equal: the path still tells them apart."""
    other = tmp_path / "elsewhere" / "data"
    other.parent.mkdir()
    source.rename(other)
    load(other, cache=tmp_path / "cache")
    other.rename(source)
    load(source)
    assert len(entries(source)) == 2


def test_verify_goes_by_contents(source: Path, count_builds, monkeypatch) -> None:
    monkeypatch.setattr(records, "stamp", lambda *a: ["same"])
    old = load(source, verify=True)
    os.utime(source / "a" / "000.png", (1, 1))
    assert load(source, verify=True).fingerprint == old.fingerprint
    assert len(count_builds) == 1  # another time, the same contents
    rewrite(source / "a" / "000.png", 99, keep_times=True)
    assert load(source, verify=True).fingerprint != old.fingerprint
    assert len(count_builds) == 2


def test_verify_finds_pixels_that_changed_in_the_cache(source: Path) -> None:
    good = load(source, verify=True)
    expected = good.images.copy()
    pixels = np.load(entries(source)[0] / "images.npy", mmap_mode="r+")
    pixels[7, 0, 0, 0] ^= 1
    pixels.flush()
    with pytest.warns(UserWarning, match="damaged cache .*checksum"):
        again = load(source, verify=True)
    assert np.array_equal(again.images, expected)


@pytest.mark.parametrize("name", ["about.json", "images.npy", "labels.npy"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "cut"])
def test_a_damaged_entry_is_built_again(source: Path, name: str, damage: str) -> None:
    expected = load(source).images.copy()
    file = entries(source)[0] / name
    data = file.read_bytes()
    file.unlink()
    if damage != "removed":
        file.write_bytes(b"" if damage == "emptied" else data[:-1])
    with pytest.warns(UserWarning, match="damaged cache"):
        again = load(source)
    assert np.array_equal(again.images, expected)
    assert load(source).labels.tolist() == again.labels.tolist()


def killed_child(work) -> int:
    """Runs `work` in a forked process; returns the signal that ended it (0: none)."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def check_recovery(source: Path, expected: np.ndarray) -> None:
    images = load(source)
    assert np.array_equal(images.images, expected)
    assert len(images.labels) == NUM
    assert not [p for p in entries(source) if p.name.startswith(".")]  # what the killed one left is gone


PLACES = ("first image", "middle", "last image", "content_fingerprint", "np.save", "_publish", "_fsync", "os.rename")


@pytest.mark.parametrize("place", PLACES)
def test_a_process_killed_anywhere_leaves_nothing_mistaken_for_a_cache(source: Path, monkeypatch, place: str) -> None:
    expected = load(source, cache=source.parent / "other").images

    def die(*_args, **_options):
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        if place in ("first image", "middle", "last image"):
            after = {"first image": 0, "middle": NUM // 2, "last image": NUM - 1}[place]
            real = cache.decode_all
            monkeypatch.setattr(
                cache, "decode_all", lambda p, r: (die() if i == after else x for i, x in enumerate(real(p, r)))
            )
        else:
            monkeypatch.setattr(f"degas.data.cache.{place}", die)
        load(source)

    assert killed_child(work) == signal.SIGKILL
    assert [p.name[0] for p in entries(source)] == ["."]  # half built, and not in its place
    check_recovery(source, expected)


def test_a_process_killed_at_random_moments_is_recovered_from(source: Path) -> None:
    expected = load(source, cache=source.parent / "other").images
    draw = random.Random(0)
    killed = 0
    for attempt in range(12):
        child = os.fork()
        if child == 0:
            try:
                load(source, max_images=NUM + attempt)  # a key of its own each time
            finally:
                os._exit(0)
        time.sleep(draw.uniform(0.0, 0.03) if attempt else 0.0)
        os.kill(child, signal.SIGKILL)
        killed += os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        assert np.array_equal(load(source, max_images=NUM + attempt).images, expected)
    assert killed > 0
    check_recovery(source, expected)


def test_two_processes_decode_once(source: Path) -> None:
    log = source.parent / "builds"

    def work() -> None:
        real = cache._build_entry

        def slow(*arguments) -> None:
            with log.open("a") as stream:
                stream.write("x")
            time.sleep(0.2)
            real(*arguments)

        cache._build_entry = slow
        load(source)

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert log.read_text() == "x"
    assert load(source).num_images == NUM


def test_without_locks_the_cache_still_works(source: Path, monkeypatch) -> None:
    def no_locks(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(cache.fcntl, "flock", no_locks)
    assert load(source).fingerprint == load(source).fingerprint


def test_a_cache_that_cannot_be_written_is_named(source: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--data\.cache: cannot write"):
        load(source, cache=tmp_path / "file")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(UserError, match="MiB free"):
        load(source)


def test_a_disk_that_fills_while_the_cache_is_written_is_named_and_left_clean(source: Path, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache.os, "posix_fallocate", full)
        with pytest.raises(UserError, match=r"--data\.cache: cannot write .*No space left on device"):
            load(source)
    assert entries(source) == []
    assert load(source).num_images == NUM


def test_a_file_system_that_cannot_reserve_space_still_caches(source: Path, monkeypatch) -> None:
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(cache.os, "posix_fallocate", unsupported)
    assert load(source).num_images == NUM
    assert len(entries(source)) == 1


@pytest.mark.parametrize("number", [39, 17])  # ENOTEMPTY, EEXIST
def test_an_entry_that_another_process_built_meanwhile_is_taken(source: Path, monkeypatch, number: int) -> None:
    """Where locks do not exist, two processes may both build; the later one finds its place taken."""
    rename = os.rename

    def taken(working, entry):
        rename(working, entry)
        raise OSError(number, "taken")

    monkeypatch.setattr(cache.os, "rename", taken)
    images = load(source)
    assert images.num_images == NUM
    assert not list((source.parent / "cache" / "images").glob(".*"))


def test_an_entry_that_cannot_be_put_in_its_place_is_an_error_and_leaves_nothing(source: Path, monkeypatch) -> None:
    def refused(*_):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(cache.os, "rename", refused)
        with pytest.raises(UserError, match=r"--data\.cache: cannot write .*Read-only file system"):
            load(source)
    assert entries(source) == []


def test_an_entry_whose_parts_do_not_fit_together_is_built_again(source: Path, count_builds) -> None:
    first = load(source)
    np.save(entries(source)[0] / "labels.npy", first.labels[:-1])
    with pytest.warns(UserWarning, match="damaged cache .shapes disagree.; decoding again"):
        assert np.array_equal(load(source).labels, first.labels)
    assert len(count_builds) == 2


def test_an_entry_that_vanishes_at_once_is_named(source: Path, monkeypatch) -> None:
    monkeypatch.setattr(cache, "_build_entry", lambda *_: None)
    with pytest.raises(UserError, match=r"--data\.cache: .* disappeared while it was written; run again"):
        load(source)


def test_the_default_folder_follows_the_users_cache(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder(DataSettings()) == tmp_path / "degas"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder(DataSettings()) == Path.home() / ".cache" / "degas"
    assert cache.cache_folder(DataSettings(cache=tmp_path)) == tmp_path


@pytest.mark.slow
def test_a_second_start_on_50_000_images_takes_under_two_seconds(tmp_path: Path) -> None:
    pixels = Image.new("L", (4, 4))
    for k in range(10):
        (tmp_path / "data" / f"class{k}").mkdir(parents=True)
    pixels.save(tmp_path / "one.pgm")
    data = (tmp_path / "one.pgm").read_bytes()
    for i in range(50_000):
        (tmp_path / "data" / f"class{i % 10}" / f"{i}.pgm").write_bytes(data)
    load(tmp_path / "data", image_size=4)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        assert load(tmp_path / "data", image_size=4).num_images == 50_000
        best = min(best, time.perf_counter() - start)
    assert best < 2
