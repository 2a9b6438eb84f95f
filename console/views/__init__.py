"""Text that commands print and ask, on a terminal, in files and on pages."""
