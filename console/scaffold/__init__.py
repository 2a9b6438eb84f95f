"""Files that a team gets to begin with: a repository, a service, and code to paste."""
