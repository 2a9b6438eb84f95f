"""What is declared: services and environments, read from YAML and checked before any request.

:mod:`vault.declare.load` reads the files, :mod:`vault.declare.model` says what a file may hold,
:mod:`vault.declare.declaration` is what the other parts ask, :mod:`vault.declare.edit` adds to a
file without disturbing it.
"""
