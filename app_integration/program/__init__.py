"""A program that runs with the secrets of its service, as variables or private files."""
