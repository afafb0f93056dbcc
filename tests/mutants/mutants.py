"""The mutants: one small mistake each, in the files whose mistakes no loss curve would show. See run_mutants.py."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """`old`, which occurs once in `file`, becomes `new`. `survives` says why no test can or need tell, else empty.

    `file` is in src/degas, or in src if it begins with degas_lab.
    """

    file: str
    old: str
    new: str
    survives: str = ""


def path_in(source: Path, file: str) -> Path:
    """The path of a mutant's file below `source`, the folder `src` or a copy of it."""
    return source / (file if file.startswith("degas_lab/") else f"degas/{file}")


# Which tests must notice, by file; fast ones first.
TESTS = {
    "space/pruning.py": ["tests/unit/space/test_pruning.py"],
    "nas/decide/race.py": ["tests/unit/nas/decide/test_race.py"],
    "gan/losses.py": ["tests/unit/gan/test_losses.py", "tests/unit/gan/test_objectives.py"],
    "evaluation/metrics.py": ["tests/unit/evaluation/test_metrics.py"],
    "nas/alpha/paths.py": ["tests/unit/nas/alpha/test_paths.py"],
    "nas/alpha/leaving.py": ["tests/unit/nas/alpha/test_leaving.py"],
    "nas/supernet/mixed.py": ["tests/unit/nas/supernet/test_mixed.py", "tests/unit/nas/supernet/test_supernet.py"],
    "nas/supernet/kernels.py": ["tests/unit/nas/supernet/test_mixed.py", "tests/unit/nas/supernet/test_supernet.py"],
    "nets/resampling.py": ["tests/unit/nets/test_resampling.py"],
    "nas/supernet/branch.py": ["tests/unit/nas/supernet/test_mixed.py", "tests/unit/nas/supernet/test_supernet.py"],
    "nas/glo/latents.py": ["tests/unit/nas/glo/test_latents.py"],
    "nas/glo/reconstruction.py": ["tests/unit/nas/glo/test_reconstruction.py"],
    "runtime/replay.py": ["tests/unit/runtime/test_replay.py"],
    "data/store.py": ["tests/unit/data/test_store.py"],
    "data/loader.py": ["tests/unit/data/test_store.py", "tests/unit/data/test_loader.py"],
    "runtime/shares.py": ["tests/unit/runtime/test_shares.py"],
    "nas/supernet/recomputed.py": ["tests/unit/nas/supernet/test_recomputed.py"],
    "sweep/halving.py": ["tests/unit/sweep/test_halving.py"],
    "sweep/outcomes.py": ["tests/unit/sweep/test_halving.py", "tests/unit/sweep/test_drive.py"],
    "sweep/plan.py": ["tests/unit/sweep/test_plan.py"],
    "sweep/pool.py": ["tests/unit/sweep/test_pool.py"],
    "space/critic.py": ["tests/unit/space/test_critic.py"],
    "space/prefix.py": ["tests/unit/space/test_prefix.py"],
    "nets/critic_operations.py": ["tests/unit/nets/test_critic_operations.py", "tests/unit/nets/test_critic.py"],
    "gan/critics.py": ["tests/unit/gan/test_critics.py"],
    "nas/grow/network.py": ["tests/unit/nas/grow/test_network.py"],
    "nas/grow/plan.py": ["tests/unit/nas/grow/test_plan.py"],
    "nets/growing.py": ["tests/unit/nets/test_growing.py"],
    "gan/grow/critic.py": ["tests/unit/gan/grow/test_critic.py"],
    "gan/grow/generator.py": ["tests/unit/gan/grow/test_generator.py"],
    "gan/grow/plan.py": ["tests/unit/gan/grow/test_plan.py"],
    "gan/grow/steps.py": ["tests/unit/gan/grow/test_steps.py"],
    "nas/glo/glo.py": ["tests/unit/nas/glo/test_glo.py"],
    "degas_lab/critics/power.py": ["tests/unit/degas_lab/critics/test_power.py"],
    "degas_lab/critics/mixed.py": ["tests/unit/degas_lab/critics/test_mixed.py"],
    "degas_lab/critics/rungs.py": ["tests/unit/degas_lab/critics/test_rungs.py"],
    "degas_lab/critics/paces.py": ["tests/unit/degas_lab/critics/test_rungs.py"],
    "degas_lab/contest/effects.py": ["tests/unit/degas_lab/contest/test_effects.py"],
    "degas_lab/contest/rungs.py": ["tests/unit/degas_lab/contest/test_rungs.py"],
    "degas_lab/contest/verdict.py": ["tests/unit/degas_lab/contest/test_verdict.py"],
    "degas_lab/contest/equal_time.py": ["tests/unit/degas_lab/contest/test_verdict.py"],
    "degas_lab/contest/propose.py": ["tests/unit/degas_lab/contest/test_propose.py"],
}

PRUNING = "space/pruning.py"
RACE = "nas/decide/race.py"
LOSSES = "gan/losses.py"
METRICS = "evaluation/metrics.py"
MIXED = "nas/supernet/mixed.py"
KERNELS = "nas/supernet/kernels.py"
RESAMPLING = "nets/resampling.py"
PATHS = "nas/alpha/paths.py"
LEAVING = "nas/alpha/leaving.py"
BRANCH = "nas/supernet/branch.py"
LATENTS = "nas/glo/latents.py"
RECONSTRUCTION = "nas/glo/reconstruction.py"
REPLAY = "runtime/replay.py"
STORE = "data/store.py"
LOADER = "data/loader.py"
SHARES = "runtime/shares.py"
RECOMPUTED = "nas/supernet/recomputed.py"
HALVING = "sweep/halving.py"
OUTCOMES = "sweep/outcomes.py"
PLAN = "sweep/plan.py"
POOL = "sweep/pool.py"
CRITIC = "space/critic.py"
PREFIX = "space/prefix.py"
OPERATIONS = "nets/critic_operations.py"
CHOSEN = "gan/critics.py"
GROWN = "nas/grow/network.py"
STAGES = "nas/grow/plan.py"
GROWING = "nets/growing.py"
GROWN_CRITIC = "gan/grow/critic.py"
GROWN_GENERATOR = "gan/grow/generator.py"
TRAINING_STAGES = "gan/grow/plan.py"
GROWN_STEPS = "gan/grow/steps.py"
GLO = "nas/glo/glo.py"
POWER = "degas_lab/critics/power.py"
MIXED_CRITIC = "degas_lab/critics/mixed.py"
CRITIC_RUNGS = "degas_lab/critics/rungs.py"
PACES = "degas_lab/critics/paces.py"
EFFECTS = "degas_lab/contest/effects.py"
RUNGS = "degas_lab/contest/rungs.py"
VERDICT = "degas_lab/contest/verdict.py"
EQUAL_TIME = "degas_lab/contest/equal_time.py"
PROPOSE = "degas_lab/contest/propose.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        PRUNING,
        "return max((name for name in operations if name != ZERO)",
        "return min((name for name in operations if name != ZERO)",
    ),
    Mutant(
        PRUNING, "return max((name for name in operations if name != ZERO)", "return max((name for name in operations)"
    ),
    Mutant(
        PRUNING, "values[ZERO] > values[_best(values, operations)]", "values[ZERO] >= values[_best(values, operations)]"
    ),
    Mutant(
        PRUNING, "values[ZERO] > values[_best(values, operations)]", "values[ZERO] < values[_best(values, operations)]"
    ),
    Mutant(
        PRUNING, 'zero_rule == "drops_edge" and ZERO in operations', 'zero_rule != "drops_edge" and ZERO in operations'
    ),
    Mutant(PRUNING, "winner = max(candidates, key", "winner = min(candidates, key"),
    Mutant(
        PRUNING,
        "return [candidates[0]] if winner[0].direct else [candidates[0], winner]",
        "return [winner] if winner[0].direct else [winner]",
    ),
    Mutant(
        PRUNING,
        "return [candidates[0]] if winner[0].direct else [candidates[0], winner]",
        "return [candidates[0]] if not winner[0].direct else [candidates[0], winner]",
    ),
    Mutant(PRUNING, "value - log_total + math.log(len(raw))", "value - log_total - math.log(len(raw))"),
    Mutant(PRUNING, "value - log_total + math.log(len(raw))", "value - log_total"),
    Mutant(PRUNING, "DARTS_EDGES = 2", "DARTS_EDGES = 1"),
    Mutant(PRUNING, "key=lambda choice: -strength[choice[0].name]", "key=lambda choice: strength[choice[0].name]"),
    Mutant(
        PRUNING,
        "weights[slot.name][name] - math.log(len(space.operations(slot)))",
        "weights[slot.name][name] + math.log(len(space.operations(slot)))",
    ),
    Mutant(
        PRUNING, "return Edge(slot.source, slot.target, operation)", "return Edge(slot.target, slot.source, operation)"
    ),
    Mutant(PRUNING, "value - ranking[1][1])", "value + ranking[1][1])"),
    Mutant(PRUNING, "if edge.source in reached:", "if edge.target in reached:"),
    Mutant(RACE, "best.mean() + (values[:shared] - best[:shared]).mean()", "values.mean()"),
    Mutant(
        RACE,
        "best.mean() + (values[:shared] - best[:shared]).mean()",
        "best.mean() - (values[:shared] - best[:shared]).mean()",
    ),
    Mutant(RACE, "longest = max(self._raced[place]", "longest = min(self._raced[place]"),
    Mutant(RACE, "self._sign * self._behind(place, winner)", "self._behind(place, winner)"),
    Mutant(RACE, "value + (self.reference if baseline is None else means[baseline])", "value + self.reference"),
    Mutant(RACE, "if len(self._references) < fewest_batches", "if len(self._references) <= fewest_batches"),
    Mutant(RACE, "1 - -FREEDOM // (num_candidates - 1)", "1 - -FREEDOM // num_candidates"),
    Mutant(RACE, "deficits.mean(axis=1)]", "-deficits.mean(axis=1)]"),
    Mutant(RACE, "if sum(stays) > 1 else []", "if sum(stays) > 0 else []"),
    Mutant(LOSSES, "return fake_scores.mean() - real_scores.mean()", "return real_scores.mean() - fake_scores.mean()"),
    Mutant(LOSSES, "return -fake_scores.mean()", "return fake_scores.mean()"),
    Mutant(LOSSES, "* (fake_images - real_images)", "* (real_images - fake_images)"),
    Mutant(LOSSES, ".sqrt() - 1).square().mean()", ".sqrt() + 1).square().mean()"),
    Mutant(LOSSES, ".sqrt() - 1).square().mean()", ".sqrt() - 1).mean()"),
    Mutant(LOSSES, "(squared_norms + 1e-12).sqrt()", "squared_norms.sqrt()"),
    Mutant(LOSSES, "gradients.square().sum((1, 2, 3))", "gradients.square().mean((1, 2, 3))"),
    Mutant(LOSSES, "images, create_graph=True)", "images)"),
    Mutant(LOSSES, "weight, feature_weight) - margin)", "weight, feature_weight) + margin)"),
    Mutant(
        LOSSES,
        "feature_weight) - margin).clamp(min=0)",
        "feature_weight) - margin)",
    ),
    Mutant(
        LOSSES,
        "(first_features - second_features).square().mean(1)",
        "(first_features - second_features).square().sum(1)",
    ),
    Mutant(LOSSES, "F.relu(1 - real_scores)", "F.relu(1 + real_scores)"),
    Mutant(LOSSES, "F.relu(1 + fake_scores)", "F.relu(1 - fake_scores)"),
    Mutant(LOSSES, "F.softplus(worse_scores - better_scores)", "F.softplus(better_scores - worse_scores)"),
    Mutant(LOSSES, "0.5 * squared_norms.mean()", "squared_norms.mean()"),
    Mutant(LOSSES, "torch.exp(-0.5 * squared)", "torch.exp(-squared)"),
    Mutant(LOSSES, "matrix.sum() - matrix.diagonal().sum()", "matrix.sum()"),
    Mutant(LOSSES, ".clamp(max=upper)", ".clamp(min=upper)"),
    Mutant(
        LOSSES,
        "mean_off_diagonal(kernel(real)) - mean_off_diagonal(kernel(fake))",
        "mean_off_diagonal(kernel(fake)) - mean_off_diagonal(kernel(real))",
    ),
    Mutant(LOSSES, "real + fake - 2 * kernel", "real + fake + 2 * kernel"),
    Mutant(METRICS, "distance = squared - 2 * trace", "distance = squared + 2 * trace"),
    Mutant(METRICS, "+ cov_a.trace() + cov_b.trace()", "+ cov_a.trace() - cov_b.trace()"),
    Mutant(METRICS, "factor.T @ cov_b @ factor", "factor @ cov_b @ factor.T"),
    Mutant(METRICS, "b.T / a.shape[1] + 1) ** 3", "b.T / a.shape[1] + 1) ** 2"),
    Mutant(METRICS, "- 2 * cross_sums / size**2", "+ 2 * cross_sums / size**2"),
    Mutant(METRICS, "real_whole / (n * (n - 1))", "real_whole / (n * n)"),
    Mutant(METRICS, "drop_diagonal=False)", "drop_diagonal=True)"),
    Mutant(METRICS, "self.bounds[1:], right=True)", "self.bounds[1:], right=False)"),
    Mutant(METRICS, "self.negentropy / counts - torch", "self.negentropy / counts + torch"),
    Mutant(METRICS, "scores.std(correction=0)", "scores.std(correction=1)"),
    Mutant(
        METRICS,
        "_covered(fake, real, real_radii), _covered(real, fake, fake_radii)",
        "_covered(real, fake, fake_radii), _covered(fake, real, real_radii)",
    ),
    Mutant(METRICS, "distances.kthvalue(neighbours, dim=1)", "distances.kthvalue(neighbours + 1, dim=1)"),
    Mutant(METRICS, "norms - 2 * a @ b.T", "norms + 2 * a @ b.T"),
    Mutant(METRICS, "= math.inf", "= 0"),
    Mutant(
        MIXED,
        "weights = self.weights()\n        computed",
        "weights = torch.sigmoid(self.alpha)\n        computed",
    ),
    Mutant(MIXED, "branch(value, weights[position], self.repeats)", "branch(value, weights[0], self.repeats)"),
    Mutant(MIXED, "return [(self.names.index(name), cast", "return [(list(self.branches).index(name), cast"),
    Mutant(MIXED, "self.repeats = max(slot.factor // 2, 1)", "self.repeats = 1"),
    Mutant(MIXED, "stride=2 * self.folded", "stride=2"),
    Mutant(MIXED, "up_convolve, stride=stride)))", "up_convolve, stride=2)))"),
    Mutant(MIXED, "_joined(ups, 0, partial", "_joined(ups, 1, partial"),
    Mutant(MIXED, "self.norm(x).relu_()", "self.norm(x)"),
    Mutant(
        KERNELS,
        "margin = (size - kernel.shape[-1]) // 2",
        "margin = (size - kernel.shape[-1] + 1) // 2",
        "kernels of one edge differ by whole pairs of taps, so the two are the same number",
    ),
    Mutant(RESAMPLING, "padding=(kernel.shape[-1] - stride) // 2", "padding=kernel.shape[-1] // 2 - stride"),
    Mutant(RESAMPLING, "return spread(kernel, repeats, 2)", "return spread(kernel, repeats, 1)"),
    Mutant(KERNELS, "weights[owners][:, None] * taps", "weights[owners.flip(0)][:, None] * taps"),
    Mutant(
        RESAMPLING,
        "pads = [(shift * i, margin - shift * i)",
        "pads = [(margin - shift * i, shift * i)",
        "the copies are the same set in another order",
    ),
    Mutant(RESAMPLING, "conv.weight.flip(2, 3).transpose(0, 1)", "conv.weight.transpose(0, 1)"),
    Mutant(RESAMPLING, "copies=factor, shift=1", "copies=2, shift=1"),
    Mutant(RESAMPLING, "F.pad(conv.weight, (1, 1, 1, 1))", "F.pad(conv.weight, (2, 0, 1, 1))"),
    Mutant(RESAMPLING, "x.shape[2] % 2 or x.shape[3] % 2", "x.shape[2] % 2"),
    Mutant(RESAMPLING, "and conv.groups == 1 and conv", "and conv"),
    Mutant(BRANCH, "spread(kernel.flip(2, 3), copies=2, shift=1)", "spread(kernel, copies=2, shift=1)"),
    Mutant(
        BRANCH,
        "weight.transpose(0, 1) if isinstance(self.tail[0], Nearest | BilinearConvolution)",
        "weight if isinstance(self.tail[0], Nearest | BilinearConvolution)",
    ),
    Mutant(BRANCH, "last._conv_forward(x, weight * last.weight, None)", "last._conv_forward(x, last.weight, None)"),
    Mutant(BRANCH, 'return "rectified", 1', 'return "plain", 1'),
    Mutant(LATENTS, ".clamp(min=1.0)", ".clamp(max=1.0)"),
    Mutant(LATENTS, ".clamp(min=1.0)", ""),
    Mutant(LATENTS, "project(before - lr * gradient)", "project(before + lr * gradient)"),
    Mutant(LATENTS, "steps = self.num_steps[index] + 1", "steps = self.num_steps.max().expand(len(index)) + 1"),
    Mutant(LATENTS, "lerp_(gradient, 1 - BETAS[0])", "lerp_(gradient, BETAS[0])"),
    Mutant(LATENTS, "gradient.square(), 1 - BETAS[1]", "gradient, 1 - BETAS[1]"),
    Mutant(LATENTS, "second / (1 - BETAS[1] ** count)", "second / (1 - BETAS[0] ** count)"),
    Mutant(LATENTS, "- lr * first_corrected", "+ lr * first_corrected"),
    Mutant(LATENTS, "dim=1) / size**0.5)", "dim=1) / size)"),
    Mutant(LATENTS, "return self.rows[index].requires_grad_()", "return self.rows[: len(index)].requires_grad_()"),
    Mutant(LATENTS, "noise @ self.factor.T", "noise @ self.factor"),
    Mutant(LATENTS, "centred.T @ centred / max(len(wide) - 1, 1)", "centred.T @ centred"),
    Mutant(RECONSTRUCTION, "4.0**j for j", "2.0**j for j"),
    Mutant(RECONSTRUCTION, "+= 2 * KERNEL[offset]", "+= KERNEL[offset]"),
    Mutant(RECONSTRUCTION, "current - expand(smaller", "current + expand(smaller"),
    Mutant(REPLAY, "held.copy_(value)", "held.copy_(held)"),
    Mutant(REPLAY, "held.fill_(value)", "held.fill_(0.0)"),
    Mutant(REPLAY, "{name: value.clone() for name", "{name: value for name"),
    Mutant(REPLAY, "if self._num_calls <= WARM_UP_CALLS:", "if self._num_calls <= 0:"),
    Mutant(REPLAY, "value.to(device, copy=True)", "value.to(device)"),
    Mutant(REPLAY, "if num_ranks > 1:", "if num_ranks > 2:"),
    Mutant(STORE, "return False  # the images lie on the host already", "return True"),
    Mutant(STORE, "images.nbytes <= RESIDENT_SHARE", "images.nbytes >= RESIDENT_SHARE"),
    Mutant(STORE, "self._resident[self.send(rows)]", "self._resident[: len(rows)]"),
    Mutant(LOADER, "torch.where(mirrored, pixels.flip(3), pixels)", "torch.where(mirrored, pixels.flip(2), pixels)"),
    Mutant(LOADER, "return draws[self._rank * self.batch_images :]", "return draws[0:]"),
    Mutant(LOADER, "shares.rows(min(batch_images", "max(1, min(batch_images"),
    Mutant(SHARES, "if whole % self.num_ranks:", "if each % self.num_ranks:"),
    Mutant(SHARES, "rows.chunk(self.num_ranks)[self.rank]", "rows.chunk(self.num_ranks)[-1]"),
    Mutant(SHARES, "enumerate(whole.chunk(self.begun_ranks))", "enumerate(whole.chunk(self.num_ranks))"),
    Mutant(RECOMPUTED, "norm.momentum = 0.0", "norm.momentum = norm.momentum"),
    Mutant(RECOMPUTED, "norm.momentum = momentum", "norm.momentum = 0.0"),
    Mutant(RECOMPUTED, "setattr(norm, switch, then)", "setattr(norm, switch, True)"),
    Mutant(RECOMPUTED, "next(passes, again or function)", "next(passes, function)"),
    Mutant(HALVING, "_score(scores, n) - mean for n, mean", "_score(scores, n) for n, mean"),
    Mutant(
        HALVING,
        "sorted(alive, key=lambda group: difference[group])",
        "sorted(alive, key=lambda group: -difference[group])",
    ),
    Mutant(HALVING, "kept = set(order[:keep])", "kept = set([*order, *failed][:keep])"),
    Mutant(HALVING, "if any(mark not in scores.get(name, {})", "if all(mark not in scores.get(name, {})"),
    Mutant(HALVING, "last = number == len(halving.marks) - 1", "last = number == len(halving.marks)"),
    Mutant(OUTCOMES, "attempts >= ATTEMPTS", "attempts > ATTEMPTS"),
    Mutant(OUTCOMES, "if exit_status == REJECTED:", "if exit_status == -REJECTED:"),
    Mutant(OUTCOMES, "if not one.kept for name in one.trials}", "if one.kept for name in one.trials}"),
    Mutant(OUTCOMES, "if rung.mark not in _scores(plan, ended, name)]", "]"),
    Mutant(PLAN, "math.ceil(keep * entrants - 1e-9)", "math.ceil(keep * entrants)"),
    Mutant(PLAN, "max(1, min(entrants, wanted))", "min(entrants, wanted)"),
    Mutant(PLAN, "return count * blocks", "return count"),
    Mutant(POOL, "cores[k * threads : (k + 1) * threads]", "cores[k : k + threads]"),
    Mutant(POOL, "sharing = int(1 / per_trial + 1e-9)", "sharing = int(1 / per_trial) + 1"),
    Mutant(POOL, "range(0, len(gpus) - width + 1, width)", "range(0, len(gpus), width)"),
    Mutant(PATHS, "(mean - baseline).to(alpha.dtype)", "(baseline - mean).to(alpha.dtype)"),
    Mutant(PATHS, "(mean - baseline).to(alpha.dtype)", "mean.to(alpha.dtype)"),
    Mutant(PATHS, "(gate - torch.softmax(alpha.detach(), dim=0))", "gate"),
    Mutant(
        PATHS,
        "BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * mean",
        "BASELINE_DECAY * mean + (1 - BASELINE_DECAY) * baseline",
    ),
    Mutant(PATHS, "new - (after - before), old", "new + (after - before), old"),
    Mutant(PATHS, "new - (after - before), old", "new, old"),
    Mutant(PATHS, "pair[draw_operation(alpha[pair], generator)]", "pair[0]"),
    Mutant(PATHS, "active = int((alpha + noise).argmax())", "active = int(noise.argmax())"),
    Mutant(PATHS, "return PathMixing(keep=both, computed=both", "return PathMixing(computed=both"),
    Mutant(
        PATHS,
        "with torch.no_grad():\n            loss = loss_of()",
        "with torch.no_grad():\n            loss = -loss_of()",
    ),
    Mutant(LEAVING, "if power < least", "if power > least"),
    Mutant(LEAVING, "self.settings.leave_share / count", "self.settings.leave_share"),
    Mutant(LEAVING, "(sum(powers.values()) + of_zero)", "sum(powers.values())"),
    Mutant(LEAVING, "epoch, alpha in enumerate(history, start=1)", "epoch, alpha in enumerate(history)"),
    Mutant(LEAVING, "key=lambda name: -values[name])[kept:]", "key=lambda name: values[name])[kept:]"),
    Mutant(LEAVING, "- {best}", "- set()"),
    Mutant(LEAVING, "epoch >= self.settings.num_epochs", "epoch > self.settings.num_epochs"),
    Mutant(LEAVING, "edge.has(name) and name not in leaving", "name not in leaving"),
    Mutant(LEAVING, "math.ceil(KEPT_SHARES", "int(KEPT_SHARES"),
    Mutant(PATHS, "best = int(edge.alpha.argmax())", "best = int(edge.alpha.argmin())"),
    Mutant(PATHS, 'f"path {purpose}"', '"path"'),
    Mutant(CRITIC, "max(0, _halvings(image_size) - fixed)", "max(1, _halvings(image_size) - fixed)"),
    Mutant(CRITIC, "(image_size - 1).bit_length())", "image_size.bit_length())"),
    Mutant(CRITIC, "(-(-image_size // LARGEST_LAST_MAP) - 1)", "(image_size // LARGEST_LAST_MAP - 1)"),
    Mutant(CRITIC, "if found != kind:", "if False:"),
    Mutant(PREFIX, "prefix.num_stages >= space.num_stages", "prefix.num_stages > space.num_stages"),
    Mutant(PREFIX, "prefix.separable_order, separable_order)", "separable_order, separable_order)"),
    Mutant(OPERATIONS, "x if self.sees_images else F.relu(x)", "F.relu(x)"),
    Mutant(OPERATIONS, "super().__init__(2, ceil_mode=True)", "super().__init__(2)"),
    Mutant(OPERATIONS, "started(depthwise, 2.0)", "depthwise"),
    Mutant(CHOSEN, 'gan.get("critic") != name', 'gan.get("critic") == name'),
    Mutant(GROWN, "for node in reversed(list(self.heads))]\n        own", "for node in self.heads]\n        own"),
    Mutant(GROWN, "last, own_head = list(self.heads)[-1]", "last, own_head = list(self.heads)[0]"),
    Mutant(GROWN, " and not name.startswith(own_head)", ""),
    Mutant(GROWN, "[self.backbone.linear, *(self.edge(slot)", "[*(self.edge(slot)"),
    Mutant(GROWN, "id(weight) in earlier and name not in copied", "name not in copied and False"),
    Mutant(STAGES, "spare * (most - least) //", "spare * most //"),
    Mutant(STAGES, "prefix.num_stages + 1", "prefix.num_stages"),
    Mutant(GROWING, "fade * own + (1.0 - fade) * repeat", "(1.0 - fade) * own + fade * repeat"),
    Mutant(GROWING, "(step + 1) / max", "step / max"),
    Mutant(GROWN_CRITIC, "(1.0 - self.fade) * self.before", "self.before"),
    Mutant(GROWN_CRITIC, "[*front_before.new, *_inner(before)]", "[*_inner(before), *front_before.new]"),
    Mutant(GROWN_CRITIC, "else len(parts) - 2", "else len(parts) - 1"),
    Mutant(GROWN_CRITIC, "fades=number > 0", "fades=True"),
    Mutant(GROWN_CRITIC, 'forked_rng(seed, "critic weights", number)', 'forked_rng(0, "critic weights", number)'),
    Mutant(GROWN_GENERATOR, " if not name.startswith(HEAD_STARTS)", ""),
    Mutant(GROWN_GENERATOR, '(config["architecture"]), settings, seed,', '(config["architecture"]), settings, 0,'),
    Mutant(TRAINING_STAGES, " if self.number else 1.0", ""),
    Mutant(TRAINING_STAGES, "min(ups, settings.num_steps) - 1", "ups - 1"),
    Mutant(GROWN_STEPS, "take_over(old.average.module)", "take_over(old.generator)"),
    Mutant(GROWN_STEPS, '        self.now.set_fade(state["fade"])\n', ""),
    Mutant(GROWN_STEPS, "        self.num_doublings = num_doublings\n\n", "\n"),
    Mutant(GLO, "own + SMALLER_WEIGHT * sum(smaller)", "own"),
    Mutant(POWER, "kernel(squared_distances(fake, fake)) - across - across.T", "across + across.T"),
    Mutant(POWER, "mean_off_diagonal(pairs)", "pairs.mean()"),
    Mutant(MIXED_CRITIC, "sees_images=k == 0", "sees_images=False"),
    Mutant(MIXED_CRITIC, "size = -(-size // 2)", "size = size // 2"),
    Mutant(CRITIC_RUNGS, "steps if rung > 1 else", "steps if rung > 2 else"),
    Mutant(CRITIC_RUNGS, "(name in failed, own[name])", "own[name]"),
    Mutant(CRITIC_RUNGS, "seed < FIRST_NEW_SEED", "seed < 0"),
    Mutant(PACES, "found[reference] / seconds", "seconds / found[reference]"),
    Mutant(PACES, "statistics.median(values[1:])", "statistics.median(values)"),
    Mutant(EFFECTS, "(self.U**2) @ shrunk + 1.0 / len(self.y)", "(self.U**2) @ shrunk"),
    Mutant(EFFECTS, "(1.0 / (self.d**2 + penalty) - 1.0 / penalty)", "(1.0 / (self.d**2 + penalty))"),
    Mutant(EFFECTS, "self.y - shrunk @", "self.y + shrunk @"),
    Mutant(RUNGS, "(name in rung.diverged, mean[name])", "mean[name]"),
    Mutant(RUNGS, "[scores[s] - means[s] for s in seeds]", "[scores[s] for s in seeds]"),
    Mutant(RUNGS, "<= rounded(error)", "<= 0.0"),
    Mutant(RUNGS, "(by_score[name] + by_model[name]) / 2", "by_score[name]"),
    Mutant(VERDICT, "error / (len(probabilities) - number)", "error / len(probabilities)"),
    Mutant(VERDICT, "stopped = probabilities[name] >= share", "stopped = False"),
    Mutant(EQUAL_TIME, "(slower, steps) if ratio > 1", "(slower, steps) if ratio < 1"),
    Mutant(EQUAL_TIME, "rounded(statistics.median(ratios))", "rounded(statistics.fmean(ratios))"),
    Mutant(PROPOSE, " or _drops_edge(choice[1], edges)]", "]"),
)
