"""Many trials of degas from one file: planned, started, resumed and tabled. No torch, and no stage."""
