"""Generators on a model hub, with the interface of Hugging Face's models; only this module loads `huggingface_hub`.

A generator folder is `model.safetensors`, `config.json`, and a `README.md`, its model card. Nothing else is downloaded,
and nothing downloaded is executed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch
from safetensors.torch import load_file

from degas.errors import UserError
from degas.generator.find import FILES, own_folder
from degas.generator.shipped import shipped_folder, shipped_generators
from degas.runtime.durable import replace_file
from degas.runtime.paths import expanded

CARD_FILES = ("README.md", "samples.png")
CARD = """---
library_name: degas
pipeline_tag: unconditional-image-generation
tags: [gan, image-generation, neural-architecture-search]
---

# A generator of {size}×{size} images, {parameters:,} parameters

```python
import degas

generator = degas.Generator.from_pretrained("{name}")
images = generator.sample(16, seed=0)  # uint8 (16, {channels}, {size}, {size})
```
"""


class Savable(Protocol):
    """The part of a generator that a card and an upload need, so that this module does not import its class."""

    image_size: int
    channels: int
    loaded_from: Path | None

    @property
    def num_parameters(self) -> int: ...

    def save(self, folder: str | Path) -> None: ...


def generator_files(path_or_id: str | Path, **download: Any) -> Path:
    """The local folder of a generator: the user's own, a shipped one, or the hub's repository, downloaded once.

    `download` goes to `huggingface_hub.snapshot_download`: revision, token, cache_dir, local_files_only, … . Own
    folders and shipped generators need no `huggingface_hub` and no network. Raises `UserError` if nothing is found.
    """
    name, path = str(path_or_id), expanded(path_or_id)
    found = own_folder(path) or shipped_folder(name) or (path if path.is_dir() else None)
    if found is not None:
        return found
    if isinstance(path_or_id, Path) or name.startswith((".", "/", "~")) or name.count("/") != 1:
        shipped = ", ".join(shipped_generators()) or "none"
        raise UserError(
            f"{name}: no such folder, not one of the shipped generators ({shipped}), and not the name "
            "OWNER/NAME of a repository"
        )
    hub = _hub(name)
    with _one_line(name):
        return Path(hub.snapshot_download(name, allow_patterns=[*FILES, *CARD_FILES], **download))


def save_with_card(generator: Savable, folder: Path, name: str | None = None) -> None:
    """`generator.save(folder)`, and a model card: the one it was loaded with if the weights are unchanged, else a plain
    one. An existing card in `folder` is kept.
    """
    generator.save(folder)
    if (folder / "README.md").exists():
        return
    home = generator.loaded_from
    if home is not None and (home / "README.md").is_file() and _same_weights(home, folder):
        for file in CARD_FILES:
            if (home / file).is_file():
                shutil.copyfile(home / file, folder / file)
        return
    values = {"size": generator.image_size, "channels": generator.channels, "parameters": generator.num_parameters}
    replace_file(folder / "README.md", CARD.format(name=name or folder.name, **values).encode())


def _same_weights(home: Path, folder: Path) -> bool:
    """Return whether `folder` holds the weights of `home`, so that the scores on its card apply."""
    if not (home / "model.safetensors").is_file():
        return False
    before, now = (load_file(place / "model.safetensors") for place in (home, folder))
    return before.keys() == now.keys() and all(
        torch.equal(before[name].to(value.dtype), value) for name, value in now.items()
    )


def upload(generator: Savable, repo_id: str, *, private: bool | None = None, **options: Any) -> str:
    """Push a generator with its card to the hub's repository `repo_id`, made if missing; returns the commit's URL.

    `options` goes to `huggingface_hub.HfApi.upload_folder`: commit_message, revision, create_pr, … ; `token` to all.
    """
    hub = _hub(repo_id)
    api = hub.HfApi(token=options.pop("token", None))
    options = {"commit_message": "Push a generator with degas", **options}
    with tempfile.TemporaryDirectory(prefix="degas-") as scratch, _one_line(repo_id):
        save_with_card(generator, Path(scratch), repo_id)
        made = api.create_repo(repo_id, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=made.repo_id, folder_path=scratch, **options))


def _hub(name: str) -> ModuleType:
    try:
        import huggingface_hub
    except ImportError:
        raise UserError(f"{name}: the hub needs huggingface_hub; in degas' folder: pip install -e '.[hub]'") from None
    return huggingface_hub


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Turn the hub's errors (HTTP, missing, offline: all `OSError`; malformed names: `ValueError`) into `UserError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        first = str(error).strip().partition(os.linesep)[0][:200]
        hint = "check the name, the token and the network, or give a local folder"
        raise UserError(f"{name}: the hub says {type(error).__name__}: {first}; {hint}") from error
