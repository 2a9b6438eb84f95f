"""hvac's client on a session: its calls get our login, renewal, failover and deadline."""
