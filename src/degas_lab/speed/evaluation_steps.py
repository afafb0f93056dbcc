"""Sampling, features of a batch, and the Fréchet distance, each against a plainer form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from degas.evaluation.statistics import FORWARD_IMAGES
from degas.generator.generator import Generator
from degas.nets.resampling import as_defined
from degas_lab.speed.bench import Bench, beside_plain
from degas_lab.speed.evaluation import extraction, frechet_calls
from degas_lab.speed.timing import interleaved_ms


class EvaluationSteps(Bench):
    """Parts `sampling`, `features` and `fid`."""

    def sampling(self, num_images: int = 400) -> dict[str, float]:
        """`generator.sample`, against the same in NCHW memory and with up-sampling as defined."""
        ours = self.engine.prepare(self._generator())
        plain = self._generator().to(self.engine.device)
        assert isinstance(ours, Generator)
        plain_sample = as_defined()(lambda: plain.sample(num_images))
        ours_samples = partial(ours.sample, num_images)
        times = self._time({"ours": ours_samples, "plain": plain_sample})
        rate = {"images_per_second": num_images / times["ours"] * 1e3}
        return {**beside_plain(times), **self._roofline(ours_samples, times["ours"]), **rate}

    def features(self) -> dict[str, dict[str, float]]:
        """`features` at 128 px and `features_224`: the offline extractor on one batch, against batch norms apart."""
        found = {}
        for name, size in (("features", 128), ("features_224", 224)):
            ours, plain = (self._extractor(size, folded) for folded in (True, False))
            times = self._time({"ours": ours, "plain": plain})
            rate = {"images_per_second": FORWARD_IMAGES / times["ours"] * 1e3}
            found[name] = {**beside_plain(times), **self._roofline(ours, times["ours"]), **rate}
        return found

    def _extractor(self, resize_pixels: int, folded: bool) -> Callable[[], object]:
        make = partial(extraction, resize_pixels, folded=folded, seed=self.seed)
        return make(image_size=self.sizes.image_size, device=self.engine.device)

    def fid(self) -> dict[str, float]:
        """The Fréchet distance from given moments, against the eigenvalues of the product of the covariances."""
        calls = frechet_calls(self.seed)
        device = torch.device("cpu")
        return beside_plain(
            interleaved_ms(calls, rounds=min(self.rounds, 3), warm_up=1, device=device, clock=self.clock)
        )
