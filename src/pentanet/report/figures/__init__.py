"""Figures for print, as SVG, PDF and PNG with 300 dots per inch, from the records of a bench."""

from pentanet.report.figures.draw import draw, draw_svg

__all__ = ["draw", "draw_svg"]
