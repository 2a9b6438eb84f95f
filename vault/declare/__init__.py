"""Declaration: services and environments, read from YAML and checked before any request.

:mod:`.load` reads and checks the files, :mod:`.schema.model` defines the keys of a file,
:mod:`.declaration` answers queries of other packages, and :mod:`.edit` changes files in place.
"""
