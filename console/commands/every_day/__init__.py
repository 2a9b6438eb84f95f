"""Commands of every day, on the local deployment and on each environment."""
