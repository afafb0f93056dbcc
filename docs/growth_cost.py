"""Counts what growing a search costs, and writes docs/results/growth-cost.json: `python docs/growth_cost.py`.

Nothing is trained or timed; the same on every machine. `python docs/evidence_pages.py` makes the table of grow.md from
it, and a nightly test counts its first entry again.
"""

from __future__ import annotations

from pathlib import Path

from degas.runtime.json_files import write_json
from degas.settings.sections import SearchSettings, SpaceSettings
from degas_lab.fits.growth_cost import growth_cost

SIZES, WIDTH = (32, 64, 128), 32
FILE = Path(__file__).parent / "results" / "growth-cost.json"

if __name__ == "__main__":
    settings = SearchSettings(width=WIDTH)
    costs = [growth_cost(size, settings, SpaceSettings()) for size in SIZES]
    write_json(FILE, {"command": "python docs/growth_cost.py", "costs": costs})
