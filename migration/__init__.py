"""Online migration of plaintext columns to encrypted ones, on PostgreSQL."""
