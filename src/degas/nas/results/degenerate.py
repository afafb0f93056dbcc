"""Detection of degenerate results of a search: the problem, the place, and what to try. Pure functions.

Each judges an existing result of a search (the kept edges, α, the mixing weights) and returns at most one `Finding`; a
signal adds its own (`Signal.findings`). The limits are our choice, wide enough to avoid false alarms. A finding never
stops a search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from degas.nas.signal import Finding
from degas.nets.cost import operation_cost
from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import Alpha

MixingRecord = Mapping[str, Mapping[str, Mapping[str, float | None]]]  # edge → operation → `weight`, `scaled`
SKIP = "skip"
STILL_SHARE, LONGEST_REACH = 0.01, 3.0  # a share of the distance that α could move, capped for long searches
TAKEN_OVER = 1.25  # times the winner's part of the mix


def parameter_free(edges: Sequence[Edge], space: SearchSpace) -> Finding | None:
    """A finding if all operations of searched normal edges are skips or lack parameters: the known failure of DARTS."""
    normal = {slot.target for slot in space.searched_slots if slot.kind == "normal"}
    kept = [edge for edge in edges if edge.target in normal]
    names = sorted({edge.operation for edge in kept})
    if not kept or any(operation_cost(name, 8).num_parameters for name in names):
        return None
    where = f"normal maps {', '.join(sorted({edge.target for edge in kept}))}"
    what = "all operations are skips" if names == [SKIP] else f"no operation has parameters ({', '.join(names)})"
    kind = "all-skip" if names == [SKIP] else "parameter-free"
    return Finding(kind, where, what, "compare with other seeds (--seeds), or search longer (--search.num-epochs)")


def without_residuals(
    values: Alpha, edges: Sequence[Edge], space: SearchSpace, *, by_losses: bool = False
) -> Finding | None:
    """A finding if `zero` is best on all of several residual edges, or none is kept though several maps could have one.

    `values`: the values that pruning compared: α, or with `by_losses` signed losses.
    """
    residual = [slot for slot in space.searched_slots if not slot.direct]
    kept = {(edge.source, edge.target) for edge in edges}
    if not residual or any((slot.source, slot.target) in kept for slot in residual):
        return None
    where = f"residual edges {', '.join(slot.name for slot in residual)}"
    leaders = {max(values[slot.name], key=lambda name, on=values[slot.name]: on[name]) for slot in residual}  # type: ignore[misc]
    if leaders == {ZERO} and len(residual) > 1:
        mend = "--search.zero-rule ignored leaves zero out; compare with other seeds (--seeds)"
        what = "zero has the best loss on every one" if by_losses else "zero has the largest α on every one"
        return Finding("all-zero-residuals", where, what, mend)
    if len({slot.target for slot in residual}) < 2:
        return None  # one choice is no pattern
    mend = "compare with other seeds (--seeds)"
    mend = mend if by_losses else "compare with --search.compare centred, and with other seeds (--seeds)"
    return Finding("no-residuals", where, "none is kept, the generator is a chain", mend)


def still_alpha(start: Alpha, end: Alpha, *, rate: float, num_steps: int, by_losses: bool = False) -> Finding | None:
    """A finding if no α moved by more than a hundredth of what `num_steps` steps of Adam at `rate` could move it.

    Adam moves a value by at most about its rate per step, so rate · steps bounds the distance, here at most 3.
    """
    moved = max((abs(end[edge][name] - value) for edge, on in start.items() for name, value in on.items()), default=0.0)
    reach = min(rate * num_steps, LONGEST_REACH)
    if not start or moved >= STILL_SHARE * reach:
        return None
    what = f"no α moved by more than {moved:.1e} in {num_steps} steps at rate {rate:.1e}, so "
    what += "the losses were measured on an even mixture" if by_losses else "the initial values decided"
    return Finding("still-alpha", "alpha", what, "raise --search.alpha-lr, and check whether the loss falls at all")


def scale_takeover(edges: Sequence[Edge], first: MixingRecord, last: MixingRecord) -> Finding | None:
    """A finding if a kept operation wins by mixing weight while another's kernel has grown to a larger part of the mix.

    An operation's part is w·‖kernel‖ divided by the kernel's norm after the first epoch, since kernels of different
    shape start with different norms at equal output. Kept operations without a kernel are not judged.
    """
    found = []
    for edge in edges:
        name = f"{edge.source}->{edge.target}"
        parts = {
            operation: part
            for operation in last.get(name, {})
            if (part := _grown_part(first.get(name, {}).get(operation), last[name][operation])) is not None
        }
        own = parts.get(edge.operation)
        heaviest = max(parts, key=lambda operation, of=parts: of[operation], default=None)  # type: ignore[misc]
        if own is not None and heaviest is not None and parts[heaviest] > TAKEN_OVER * own:
            found.append(f"{name} kept {edge.operation}, {heaviest} has {parts[heaviest] / own:.1f} times its part")
    if not found:
        return None
    mend = "the size of kernels acts like α there: a weight decay (--search.weight-decay 3e-4) bounds it"
    return Finding("scale-takeover", "mixing weights", ", ".join(found), mend)


def _grown_part(first: Mapping[str, Any] | None, last: Mapping[str, Any]) -> float | None:
    """weight · (last norm / first norm)."""
    if first is None or not first.get("scaled") or last.get("scaled") is None:
        return None
    return float(last["scaled"] / (first["scaled"] / first["weight"]))
