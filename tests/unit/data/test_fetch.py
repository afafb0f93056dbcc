from __future__ import annotations

import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from official_files import cifar_record, write_tar

from degas.data import fetch as fetching
from degas.data.fetch import Archive, archive_path, fetch
from degas.data.official import CIFAR_CLASSES
from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings

pytest.importorskip("pooch", reason="pooch comes with the extra `data`")


@pytest.fixture
def server(tmp_path: Path, monkeypatch):
    """A local server that holds a tiny CIFAR-10; the table of archives points to it."""
    folder = tmp_path / "server"
    folder.mkdir()
    image = np.zeros((3, 32, 32), np.uint8)
    files = {f"cifar-10-batches-bin/data_batch_{k}.bin": cifar_record(image + k, k) for k in range(1, 6)}
    path = write_tar(folder / "cifar-10-binary.tar.gz", files)
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, directory=str(folder), **options)

        def log_message(self, *_arguments) -> None:
            requests.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{httpd.server_port}/cifar-10-binary.tar.gz"
        archive = Archive(url, "cifar-10-binary.tar.gz", hashlib.md5(path.read_bytes()).hexdigest())
        monkeypatch.setitem(fetching.ARCHIVES, "cifar10", archive)
        yield requests
        httpd.shutdown()
        thread.join()


def test_an_archive_is_fetched_once_checked_and_read_by_its_name(server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="run `degas data fetch cifar10`"):
        load_images("cifar10", DataSettings())
    path = fetch("cifar10")
    assert path == archive_path("cifar10") == tmp_path / "cache" / "degas" / "archives" / "cifar-10-binary.tar.gz"
    assert fetch("cifar10", quiet=True) == path
    assert len(server) == 1
    images = load_images("cifar10", DataSettings())
    assert images.class_names == CIFAR_CLASSES[1:6]
    assert images.labels.tolist() == [0, 1, 2, 3, 4]


def test_a_damaged_file_is_fetched_anew(server, tmp_path: Path) -> None:
    path = archive_path("cifar10", tmp_path)
    path.write_bytes(b"half a download")
    assert fetch("cifar10", tmp_path, quiet=True) == path
    assert hashlib.md5(path.read_bytes()).hexdigest() == fetching.ARCHIVES["cifar10"].md5


def test_a_wrong_checksum_is_one_line_and_leaves_no_file(server, tmp_path: Path, monkeypatch) -> None:
    right = fetching.ARCHIVES["cifar10"]
    monkeypatch.setitem(fetching.ARCHIVES, "cifar10", Archive(right.url, right.file_name, "0" * 32))
    with pytest.raises(UserError, match="its checksum is wrong") as caught:
        fetch("cifar10", tmp_path / "new", quiet=True)
    assert "\n" not in str(caught.value)
    assert not archive_path("cifar10", tmp_path / "new").exists()


def test_without_a_network_it_says_which_file_to_put_where(tmp_path: Path, monkeypatch) -> None:
    archive = Archive(
        "http://127.0.0.1:9/stl10_binary.tar.gz", "stl10_binary.tar.gz", "91f7769df0f17e558f3565bffb0c7dfb"
    )
    monkeypatch.setitem(fetching.ARCHIVES, "stl10", archive)
    with pytest.raises(UserError) as caught:
        fetch("stl10", tmp_path, quiet=True)
    message = str(caught.value)
    assert "\n" not in message
    for part in (archive.url, archive.md5, f"put it at {tmp_path / 'stl10_binary.tar.gz'}"):
        assert part in message


def test_the_official_checksums_are_the_published_ones() -> None:
    assert fetching.OFFICIAL_MD5 == {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb",
    }


def test_an_unknown_name_and_a_missing_library_are_named(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UserError, match="unknown data set 'cifar'; did you mean 'cifar10'"):
        fetch("cifar")

    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr(fetching, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install -e '\.\[data\]'"):
        fetch("cifar10", tmp_path)
