"""What a logged-in user can ask for."""
