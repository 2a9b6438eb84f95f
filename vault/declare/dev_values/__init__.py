"""Values of dev that a team shares: encrypted in its repository, for the keys of its members."""
