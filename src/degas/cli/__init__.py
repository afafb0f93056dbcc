"""The command line: wiring only. Every command parses its options, calls `degas.api`, and prints where things lie."""
