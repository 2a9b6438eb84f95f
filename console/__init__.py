"""Command line of the operator, built on the packages below it."""
