"""The loop of a search: its steps, and the logs, epoch ends and checkpoints around them."""

from __future__ import annotations

import time

from degas.nas.results.outputs import standing
from degas.nas.signal import Terms, fit_watch
from degas.nas.state import Search
from degas.runtime.interrupts import StopRequest
from degas.runtime.progress import Progress
from degas.runtime.run_folder import StageFolder
from degas.runtime.save_clock import SaveClock

SHORT_EPOCHS = 3  # decide much like five (docs/evidence/search-time.md)


def run_steps(search: Search, folder: StageFolder, *, progress: bool) -> int:
    """Take all remaining steps from the folder's newest checkpoint; return the total number of steps.

    Raises:
        UserError: a loss or gradient is not finite (with step and term), or the search learns nothing.
        Terminated, Interrupted: stopped by a signal, after saving.
    """
    step = search.restore(folder)
    quiet = not (progress and search.engine.is_main)
    with StopRequest() as stop, progress_of(search, step, quiet) as bar:
        follower = Follower(search, folder, bar, step)
        while follower.goes_on(step):
            terms = search.step(step)
            step += 1  # from here, `step` counts finished steps
            follower.after_step(step, terms)
            stopping = search.engine.all_stop(stop.requested, step)
            follower.save_if_due(step, stopping=stopping)
            if stopping and follower.goes_on(step):
                stop.leave()
        follower.end(step)
    search.replayed = None  # releases its graph's memory
    return step


def progress_of(search: Search, step: int, quiet: bool) -> Progress:
    """Return the progress display of a search that begins after `step` steps, with ways to shorten the search."""
    place = search.place
    title = "search" if place is None else f"search {place.image_size} px"
    ways = [f"--search.num-epochs {SHORT_EPOCHS}"] if search.settings.num_epochs > SHORT_EPOCHS else []
    ways += ["fewer images (--data.max-images)", "a smaller --search.width"]
    ways += ["a GPU"] if search.engine.device.type == "cpu" else []
    measured = search.rule.measured
    besides = [f"the loss {measured}, measured at the end"] if measured else []
    besides += [f"{polish} fits of single architectures"] if (polish := search.settings.polish) else []
    if place is not None and place.later:
        besides.append(f"the searches at {' and '.join(map(str, place.later))} px, whose steps take longer")
    after = ", and ".join(besides)
    return Progress(title, search.total_steps, start_step=step, besides=after, shorter=", ".join(ways), quiet=quiet)


class Follower:
    """The logs and checkpoints of a search that begins after `step` finished steps.

    Attributes:
        settled: no decision is open (`--search.settle-epochs`), so the search may end early.
    """

    def __init__(self, search: Search, folder: StageFolder, bar: Progress, step: int) -> None:
        self.search, self.folder, self.bar = search, folder, bar
        self.watch = fit_watch("search", search.signal.rates)
        self.saves = SaveClock(search.settings.checkpoint_steps)
        self.began, self.began_step = time.perf_counter(), step
        self.settled = search.is_settled(step)

    def goes_on(self, step: int) -> bool:
        """Return whether steps remain after `step` steps."""
        return step < self.search.total_steps and not self.settled

    def after_step(self, step: int, terms: Terms) -> None:
        """Log and save if due after `step` finished steps; `terms` are those of the last one."""
        epoch = (step - 1) // self.search.steps_per_epoch + 1
        ends_epoch = step % self.search.steps_per_epoch == 0
        note = f"epoch {epoch}/{self.search.settings.num_epochs}"
        self.watch.add(step, terms)
        if step > 1 and step % self.search.settings.log_steps and not ends_epoch:
            self.bar.update(step, note)
            return
        self.watch.check()
        values = self.search.log_values(terms, step - 1)
        if ends_epoch:
            values["epoch_loss"] = self.search.take_epoch_loss()
        self._log(step, epoch, values)
        self.bar.update(step, note, loss=values["loss"])
        if ends_epoch:
            self._end_epoch(step, epoch, values["epoch_loss"])

    def save_if_due(self, step: int, *, stopping: bool) -> None:
        """Save a checkpoint if due, at the end, and before stopping."""
        due = self.saves.due_at(step) or self.search.engine.all_stop(self.saves.due_now(), step)
        if stopping or due or not self.goes_on(step):
            self.watch.check()  # never save values that are not finite
            with self.saves.saving():
                self.folder.save(step, self.search.state_dict())

    def end(self, step: int) -> None:
        """Print a line if the search ended early."""
        if self.settled:
            self.bar.end_at(step)
            self.bar.say(
                f"settled by α after epoch {step // self.search.steps_per_epoch} of {self.search.settings.num_epochs}"
            )

    def _log(self, step: int, epoch: int, values: dict[str, float]) -> None:
        self.folder.log_metrics(step, epoch=epoch, **values)
        seconds = time.perf_counter() - self.began
        self.folder.log_timing(step, seconds=seconds, steps_per_second=(step - self.began_step) / seconds)

    def _end_epoch(self, step: int, epoch: int, loss: float) -> None:
        search = self.search
        alpha, mixing = search.supernet.alpha_by_name(), search.supernet.mixing_by_name()
        kept = standing(alpha, search.space, search.settings, search.cap)
        self.bar.say(f"epoch {epoch}  loss {loss:.4f}  leads by α: {kept}")
        self.folder.append("alpha.jsonl", {"step": step, "epoch": epoch, **alpha})
        self.folder.append("mixing.jsonl", {"step": step, "epoch": epoch, **mixing})
        search.check_plateau(epoch, loss)
        search.end_epoch(step, alpha)
        self.settled = search.is_settled(step)
