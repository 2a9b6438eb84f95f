"""What a migration does, takes and needs, before it begins."""
