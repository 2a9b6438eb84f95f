"""Passes over all rows of a table, their workers, and what slows those down."""
