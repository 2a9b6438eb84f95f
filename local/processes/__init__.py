"""Background processes on this machine."""
