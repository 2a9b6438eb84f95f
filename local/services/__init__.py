"""Services of the local deployment: what each is given, its files, and its agent."""
