"""The functions of the front door, over the process's one client."""
