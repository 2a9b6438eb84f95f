"""The operator's web page: served on this machine only, to the one who opened its one-time URL."""
