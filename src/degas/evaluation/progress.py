"""Progress of a pass over images, counted in images."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from degas.runtime.progress import Progress


class ImageProgress:
    """Adds up the images of each step for `runtime.progress`, which takes the total so far."""

    def __init__(
        self, title: str, total_images: int, shorter: str = "", besides: str = "", estimated: bool = True
    ) -> None:
        self.progress = Progress(
            title, total_images, unit="images", shorter=shorter, besides=besides, estimated=estimated
        )
        self.done, self.stack = 0, ExitStack()

    def __enter__(self) -> ImageProgress:
        self.stack.enter_context(self.progress)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, trace)

    def __call__(self, num_images: int) -> None:
        self.done += num_images
        self.progress.update(self.done)
