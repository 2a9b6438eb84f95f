"""What models alone can't check: what must fit together within a service or an environment."""
