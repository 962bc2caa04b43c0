"""Suites of methods and seeds, run and compared."""
