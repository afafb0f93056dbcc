"""Orders run to their ends: attempts, what failed and why, and one driver per folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from forced_pool import ORDERS, ForcedPool
from stub_sweep import two_places

from degas.errors import UserError
from degas.runtime.folder_lock import owned_folder
from degas.sweep.orders import order_in, run_orders
from degas.sweep.pool import Pool
from degas.sweep.trial_process import Order

REFERENCE = str(Path(__file__).parents[2] / "reference")


def orders(folder: Path, *ends: str) -> dict[str, Order]:
    """Stub trials that end as they are told, and have run folders of their own in `folder`."""
    return {
        name: order_in(
            folder, name, ["run", f"--ends={name}", "--out", str(folder / name)], threads=1, main="stub_trial:main"
        )
        for name in ends
    }


def attempts(folder: Path, name: str) -> int:
    return int((folder / name / "attempts").read_text())


def test_failures_are_tried_again_and_rejections_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([REFERENCE, os.environ.get("PYTHONPATH", "")]))
    wanted = orders(tmp_path, "crash", "reject", "once", "well")
    failed = run_orders(tmp_path, wanted, two_places, quiet=True)
    assert list(failed) == ["crash", "reject"]
    assert failed["reject"] == f"--gan.width: must be at least 1, not 0 (see {tmp_path / 'logs' / 'reject'}.txt)"
    assert {name: attempts(tmp_path, name) for name in wanted} == {"crash": 3, "reject": 1, "once": 2, "well": 1}


@pytest.mark.parametrize("choose", ORDERS)
def test_all_are_run_whatever_the_order_of_their_ends(choose: str, tmp_path: Path) -> None:
    pool = ForcedPool(ORDERS[choose])
    wanted = orders(tmp_path, "well", "a", "b", "reject")
    assert list(run_orders(tmp_path, wanted, lambda: pool, quiet=True)) == ["reject"]
    assert sorted(pool.order) == sorted(wanted)
    assert pool.order[0] == {"first": "well", "last": "reject", "middle": "reject"}[choose]


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    def no_pool() -> Pool:
        raise AssertionError("nothing is to be run")

    with owned_folder(tmp_path), pytest.raises(UserError, match=r"uses it; wait until that ends"):
        run_orders(tmp_path, orders(tmp_path, "well"), no_pool)
