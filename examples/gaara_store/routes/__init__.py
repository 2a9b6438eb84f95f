"""Routes for logged-in users."""
