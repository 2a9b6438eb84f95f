"""The servers of a local deployment, and what each holds when it is set up."""
