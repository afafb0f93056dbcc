"""The layout of the critic that `--gan.critic` names: a file, or what config.json recorded of it."""

from __future__ import annotations

from pathlib import Path

from degas.errors import UserError
from degas.nets.critic import CRITICS
from degas.runtime.json_files import read_config
from degas.space.critic import CriticLayout
from degas.space.find_critic import load_critic

LAYOUT, DIGEST = "critic_layout", "critic_digest"  # in the section `gan` of config.json, for a critic of a file


def chosen_layout(name: str, begun: Path | None = None) -> CriticLayout | None:
    """The layout in the file, folder or shipped file `name`; None for a registered critic.

    `begun` is the folder of a training to resume: if that training began with `name` and `name` is no longer readable,
    its config.json is enough. Raises `UserError` for an unknown name or a bad file.
    """
    if name in CRITICS:
        return None
    try:
        return load_critic(name, "--gan.critic", CRITICS)
    except UserError:
        held = _begun_with(name, begun)
        if held is None:
            raise
        return held


def _begun_with(name: str, folder: Path | None) -> CriticLayout | None:
    """The layout in config.json of the training in `folder`, if it began with the critic of this name."""
    if folder is None:
        return None
    path = folder / "config.json"
    try:
        gan = read_config(path).get("gan")
    except UserError:
        return None
    if not isinstance(gan, dict) or gan.get("critic") != name or LAYOUT not in gan:
        return None
    return CriticLayout.from_dict(gan[LAYOUT], str(path))
