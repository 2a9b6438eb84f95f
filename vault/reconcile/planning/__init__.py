"""From two states to a plan, and from a plan to the server."""
