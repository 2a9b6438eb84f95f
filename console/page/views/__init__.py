"""Views of the page: a module each, with what it shows as a value that needs no server."""
