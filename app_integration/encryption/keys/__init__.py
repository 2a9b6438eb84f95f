"""Data keys: generated, wrapped, cached, used within limits, and stored."""
