"""Planning: compare the declaration with the server, save and apply the plan."""
