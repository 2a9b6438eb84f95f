"""Tables of a migration: as they are planned, and as the database has them."""
