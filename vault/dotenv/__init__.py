"""Import of a ``.env`` file to the server, and export of the current values to a file."""
