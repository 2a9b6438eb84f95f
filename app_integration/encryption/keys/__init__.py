"""Data keys: made, wrapped, cached, used within bounds, and stored."""
