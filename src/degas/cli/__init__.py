"""The command line: wiring only. A command parses its options, calls `degas.api`, and prints where results are."""
