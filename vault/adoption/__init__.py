"""A database user that exists already, adopted as a static role, and the way back."""
