"""Numbers on Evidence pages that no file holds: the measurements were made before their files were kept.

Each has its reason, which the page prints. Do not add a number of a new measurement: keep its trials in docs/results.
"""

from __future__ import annotations

FOLDERS = "the scores were read from the runs' reports; the run folders were not kept."
LOG = "read from the printed output of the command named below, which was not kept."
MEDIANS = "medians of alternating runs while the code was written; their output was not kept."

# Tables: name of the block → why there is no file.
TABLES_WITHOUT_FILES: dict[str, str] = {
    "earlier demos": FOLDERS,
    "objectives on digits": FOLDERS,
    "first images": "the scores were printed by trial scripts; the trials were not kept.",
    "mean loss of each epoch": "read from the search's progress lines; its metrics.jsonl was not kept.",
    "one thread": LOG,
    "beside a critic": LOG,
    "what made it faster": MEDIANS,
    "a whole search": "timed by hand; the runs' timing.jsonl were not kept.",
    "fewer and cheaper steps": (
        "losses of fitted searches are in `docs/results/search-settings/trials.json`; the cost of a step and the "
        "decisions of searches that were not fitted were noted, and their files not kept."
    ),
    "test runs": LOG,
    "the control on digits": "noted when it was measured; neither trials nor output were kept.",
    "optimisations": MEDIANS,
}

REPEATED_FITS = "how far the seed of a fit moves a loss, from repeated fits that were not kept"
TRIALS = "rows of `docs/results/search-settings/trials.json`"

# Numbers in prose: page → the numbers, as in the text → where they come from.
PROSE: dict[str, dict[str, str]] = {
    "found-vs-drawn": {
        "0.01": REPEATED_FITS,
        "0.008, 0.002": "differences of the tables above",
        "0.0005": "one fit repeated on another machine; that fit was not kept",
    },
    "evolution": {
        "2.2": "processor time of a search (about 155 s) over that of a fit (69 s), both while another process ran",
    },
    "search-settings": {"0.01": REPEATED_FITS},
    "search-time": {
        "0.29": "the share of measurements of ten races; their counts were not kept",
        "213, 220": "two runs each, on the same day; their output was not kept",
    },
    "metrics": {
        "86.6": "the classifier's held-out accuracy; the classifier was not kept",
        "8.5": "timed during the run",
    },
    "not-kept": {
        "0.265, 0.278": TRIALS,
        "6.4, 7.3": "the least and the largest agreement with tolerances; the counts were not kept",
        "0.050, 0.012, 0.001": "losses of one supernet after 15 epochs; its pruning.json was not kept",
        "0.292, 0.281": TRIALS,
        "0.40, 0.29, 0.277, 0.271": "a search with code that was not kept",
        "0.77, 0.55": "the printed output of `fewer-candidates`, which was not kept",
        "0.365, 0.504, 0.450": "searches while the code was written; their logs were not kept",
    },
    "objectives": {"1.6": "unpaired, from the means and deviations of the first table"},
    "paper-rate": {"0.02, 0.006": "orders of magnitude, estimated from the run"},
    "speed": {
        "102, 118": "rates of the machine, from the output of a benchmark that was not kept",
        "2,400": "calls counted in a profile that was not kept",
        "5.3": "the largest speed that the roofline allows, from the same benchmark",
    },
    "up-sampling": {
        "64.1, 63.3": "two runs on digits; the run folders were not kept",
        "0.15": "a difference of two cells of the first table",
    },
}

# Numbers in prose that were not measured: sizes, steps, budgets, thresholds, years, releases, parameters.
SETTINGS = frozenset(
    [
        *("100", "128", "200", "224", "500", "700", "1,000", "1,797", "2,100", "2,500", "3,200", "5,000", "6,400"),
        *("10,000", "50,000", "100,000", "169,146", "251,363", "0.1", "0.95", "2.13", "2016", "2019", "2026"),
    ]
)
