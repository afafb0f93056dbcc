"""`degas experiment NAME`: a module a measurement, with its options."""
