"""Hub manners: offline from a folder, from the hub's own cache layout, and what a push would send."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from degas.errors import UserError
from degas.generator.generator import Generator
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace


def generator() -> Generator:
    torch.manual_seed(0)
    return Generator.from_architecture(Architecture(1, 1, 4, 4, 6, 3, SearchSpace(1, 1).draw(0)))


def equal(first: Generator, second: Generator) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return first.config == second.config and all(torch.equal(a, b) for a, b in pairs)


def test_a_folder_needs_no_hub(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # importing it fails
    made = generator()
    made.save_pretrained(tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert equal(Generator.from_pretrained(tmp_path / "mine"), made)
    assert equal(Generator.from_pretrained(str(tmp_path / "mine"), device="cpu"), made)
    with pytest.raises(UserError, match=r"pip install -e '\.\[hub\]'"):
        Generator.from_pretrained("someone/digits")
    with pytest.raises(UserError, match=r"pip install -e '\.\[hub\]'"):
        made.push_to_hub("someone/digits")


@pytest.mark.parametrize("name", ["./gone", "/gone/away", "gone", "a/b/c", "~/x"])
def test_neither_a_folder_nor_a_name(name: str) -> None:
    with pytest.raises(UserError, match="no such folder"):
        Generator.from_pretrained(name)


def test_the_card_goes_with_its_weights(tmp_path: Path) -> None:
    made = generator()
    made.save(tmp_path / "run")
    (tmp_path / "run" / "README.md").write_text("scores of these weights")
    (tmp_path / "run" / "samples.png").write_bytes(b"a picture")
    loaded = Generator.load(tmp_path / "run")
    loaded.save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "README.md").read_text() == "scores of these weights"
    assert (tmp_path / "copy" / "samples.png").read_bytes() == b"a picture"
    with torch.no_grad():
        next(loaded.parameters()).add_(1)
    loaded.save_pretrained(tmp_path / "other", repo_id="me/tuned")
    card = (tmp_path / "other" / "README.md").read_text()
    assert 'from_pretrained("me/tuned")' in card
    assert "scores" not in card
    assert f"{made.num_parameters:,} parameters" in card
    loaded.save_pretrained(tmp_path / "copy")  # a card that is there stays
    assert (tmp_path / "copy" / "README.md").read_text() == "scores of these weights"


def test_from_the_hubs_cache_offline(tmp_path: Path) -> None:
    """The real `snapshot_download`, which finds the repository in its cache folder."""
    pytest.importorskip("huggingface_hub")
    repository = tmp_path / "models--someone--digits"
    revision = "0123456789abcdef0123456789abcdef01234567"
    made = generator()
    made.save(repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    found = Generator.from_pretrained("someone/digits", cache_dir=tmp_path, local_files_only=True)
    assert equal(found, made)
    with pytest.raises(UserError, match=r"someone/letters: the hub says \w+: .*; check the name"):
        Generator.from_pretrained("someone/letters", cache_dir=tmp_path, local_files_only=True)
    with pytest.raises(UserError, match="the hub says"):
        Generator.from_pretrained("some one/di gits", cache_dir=tmp_path, local_files_only=True)


def test_what_a_push_sends(tmp_path: Path, monkeypatch: Any) -> None:
    hub = pytest.importorskip("huggingface_hub")
    sent: dict[str, Any] = {}

    class Api:
        def __init__(self, token: str | None) -> None:
            sent["token"] = token

        def create_repo(self, repo_id: str, **options: Any) -> SimpleNamespace:
            sent["create"] = options
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, *, repo_id: str, folder_path: str, **options: Any) -> str:
            sent["files"] = sorted(path.name for path in Path(folder_path).iterdir())
            sent["loaded"] = Generator.load(folder_path)
            sent["options"] = options
            return f"commit of {repo_id}"

    monkeypatch.setattr(hub, "HfApi", Api)
    made = generator()
    assert made.push_to_hub("me/digits", private=True, token="t", revision="v1") == "commit of me/digits"
    assert sent["files"] == ["README.md", "config.json", "model.safetensors"]
    assert sent["token"] == "t"
    assert sent["create"] == {"private": True, "exist_ok": True}
    assert sent["options"] == {"commit_message": "Push a generator with degas", "revision": "v1"}
    assert equal(sent["loaded"], made)
    made.save_pretrained(tmp_path / "x", repo_id="me/x", push_to_hub=True, commit_message="again")
    assert sent["options"] == {"commit_message": "again"}
