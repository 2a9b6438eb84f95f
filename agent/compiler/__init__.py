"""Templates compiled to the agent's own language, and checked."""
