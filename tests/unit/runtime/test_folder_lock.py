"""One owner per folder, also across forks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime import folder_lock
from degas.runtime.folder_lock import lock_folder, owned_folder, unlock_folder


def test_taken_given_back_taken_again(tmp_path: Path) -> None:
    first = lock_folder(tmp_path)
    with pytest.raises(UserError, match=f"process {os.getpid()} on"):
        lock_folder(tmp_path)
    unlock_folder(first)
    unlock_folder(first)  # harmless
    unlock_folder(lock_folder(tmp_path))


def test_what_the_lock_file_says_does_not_decide(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on elsewhere, long dead")
    descriptor = lock_folder(tmp_path)
    assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    unlock_folder(descriptor)


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # outlives the owner's hold on the folder, as a worker outlives a killed parent
        os.close(write_end)
        os.read(read_end, 1)
        unlock_folder(lock)  # has nothing to give up and must not close someone else's descriptor
        os._exit(0)
    os.close(read_end)
    unlock_folder(lock)
    unlock_folder(lock_folder(tmp_path))
    os.close(write_end)
    assert os.waitpid(child, 0)[1] == 0


def test_a_child_cannot_take_a_held_folder(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    child = os.fork()
    if child == 0:
        try:
            lock_folder(tmp_path)
        except UserError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with pytest.raises(UserError, match="uses it"):
        lock_folder(tmp_path)
    unlock_folder(lock)


def test_an_owned_folder_is_made_held_and_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "evaluation"
    with owned_folder(folder):
        with pytest.raises(UserError, match="uses it"), owned_folder(folder):
            pass
        assert folder.is_dir()
    with owned_folder(folder):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"the folder cannot be created \(Not"), owned_folder(tmp_path / "file" / "x"):
        pass


def test_a_lock_file_that_its_owner_removed_meanwhile_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one opened the file, its owner was refused and took it back, and then it was free to lock."""
    opened, first = folder_lock._locked, []

    def after_the_owner_left(path: Path) -> int:
        descriptor = opened(path)
        if not first:
            (path / ".lock").unlink()
        first.append(descriptor)
        return descriptor

    monkeypatch.setattr(folder_lock, "_locked", after_the_owner_left)
    lock = lock_folder(tmp_path)
    assert os.path.samestat(os.fstat(lock), os.stat(tmp_path / ".lock"))
    with pytest.raises(UserError, match="uses it"):
        lock_folder(tmp_path)
    unlock_folder(lock)


def test_a_refusal_inside_takes_the_made_folder_back(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights"), owned_folder(tmp_path / "new" / "evaluation"):
        raise UserError("no weights")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "scores.json").touch()
    with pytest.raises(UserError, match="late"), owned_folder(tmp_path / "new"):
        raise UserError("late")
    assert (tmp_path / "new" / "scores.json").exists()
