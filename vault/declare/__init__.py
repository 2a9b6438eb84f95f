"""What is declared: services and environments, read from YAML and checked before any request.

:mod:`.load` reads the files, :mod:`.schema.model` says what a file may hold, :mod:`.declaration` is
what the other parts ask, :mod:`.edit.service_file` adds to a file without disturbing it.
"""
