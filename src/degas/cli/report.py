"""`degas report`."""

from __future__ import annotations

from degas.cli.tool_options import ReportOptions as Options

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.report.render import write_report

    path = write_report(options.runs, options.out or options.runs[0] / "report.html")
    print(f"report {path}")
