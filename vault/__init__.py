"""What is declared, what runs, what the server holds, and what it logged."""
