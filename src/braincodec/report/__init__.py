"""The HTML report: one file that holds scores, figures, a cortex to turn, and what every number means."""

from braincodec.report.build import build_report

__all__ = ["build_report"]
