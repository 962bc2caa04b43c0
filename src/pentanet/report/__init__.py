"""Run records in, one offline HTML page out."""

from pentanet.report.page import report

__all__ = ["report"]
