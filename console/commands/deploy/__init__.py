"""Commands that deploy and operate environments outside dev."""
