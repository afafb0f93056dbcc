"""The lab's commands: `degas benchmark` and `degas experiment NAME`."""
