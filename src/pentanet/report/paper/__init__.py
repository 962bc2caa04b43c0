"""A PDF paper from the records of one bench or of several."""

from pentanet.report.paper.write import write_paper

__all__ = ["write_paper"]
