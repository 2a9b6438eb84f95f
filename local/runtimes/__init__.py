"""Runtimes of the local deployment, which differ in how its servers run."""
