"""Auth methods: each turns what a machine holds into a Vault token."""
