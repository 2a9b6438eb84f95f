"""From what is declared to what the server holds: desired state, plan, apply."""
