"""Everything around the steps of a search: what is logged, what the end of an epoch means, when the state is saved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torch import Tensor

from degas.nas.glo.glo import FiniteWatch
from degas.runtime.progress import Progress
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import MEASURING

if TYPE_CHECKING:
    from degas.nas.state import Search


FEWEST_EPOCHS = 3  # decide much as five do (docs/search.md)


def progress_of(search: Search, step: int, quiet: bool) -> Progress:
    """What a person sees of a search that begins after `step` steps; it says how the search could be shorter."""
    settings = search.settings
    ways = [f"--search.num-epochs {FEWEST_EPOCHS}"] if search.num_epochs > FEWEST_EPOCHS else []
    ways += ["fewer images (--data.max-images)", "a smaller --search.width"]
    ways += ["a GPU"] if search.engine.device.type == "cpu" else []
    after = f"the loss {MEASURING[settings.prune]}, measured at the end" if settings.prune in MEASURING else ""
    return Progress("search", search.total_steps, start_step=step, besides=after, shorter=", ".join(ways), quiet=quiet)


class SearchLoop:
    """Follows a search that begins after `step` finished steps.

    Attributes:
        settled: nothing is open any more (`--search.settle-epochs`), and the search may end early.
    """

    def __init__(self, search: Search, folder: StageFolder, bar: Progress, step: int) -> None:
        self.search, self.folder, self.bar = search, folder, bar
        self.watch = FiniteWatch("search")
        self.began, self.began_step = time.perf_counter(), step
        self.settled = search.is_settled(step)

    def goes_on(self, step: int) -> bool:
        """Whether there is more to do after `step` steps."""
        return step < self.search.total_steps and not self.settled

    def after_step(self, step: int, terms: dict[str, Tensor]) -> None:
        """What is due after `step` finished steps, the last one's terms being `terms`."""
        epoch = (step - 1) // self.search.steps_per_epoch + 1
        ends_epoch = step % self.search.steps_per_epoch == 0
        note = f"epoch {epoch}/{self.search.num_epochs}"
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
        """Checkpoint now and then, at the end, and before stopping."""
        now_and_then = step % self.search.settings.checkpoint_steps == 0
        if stopping or now_and_then or not self.goes_on(step):
            self.watch.check()  # never save what is not finite
            self.folder.save(step, self.search.state_dict())

    def end(self, step: int) -> None:
        """Say so where the search ends early."""
        if self.settled:
            self.bar.end_at(step)
            self.bar.say(f"settled by α after epoch {step // self.search.steps_per_epoch} of {self.search.num_epochs}")

    def _log(self, step: int, epoch: int, values: dict[str, float]) -> None:
        self.folder.log_metrics(step, epoch=epoch, **values)
        seconds = time.perf_counter() - self.began
        self.folder.log_timing(step, seconds=seconds, steps_per_second=(step - self.began_step) / seconds)

    def _end_epoch(self, step: int, epoch: int, loss: float) -> None:
        alpha, mixing = self.search.supernet.alpha_by_name(), self.search.supernet.mixing_by_name()
        self.bar.say(f"epoch {epoch}  loss {loss:.4f}  leads by α: {self.search.standing(alpha)}")
        self.folder.append("alpha.jsonl", {"step": step, "epoch": epoch, **alpha})
        self.folder.append("mixing.jsonl", {"step": step, "epoch": epoch, **mixing})
        self.search.check_plateau(epoch, loss)
        self.search.alpha_history.append(alpha)
        self.settled = self.search.is_settled(step)
