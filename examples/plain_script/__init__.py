"""Script with psycopg. ``docs/howto/Script.md`` moves it off its .env."""
