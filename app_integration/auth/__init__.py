"""Auth methods: each turns a credential of the machine into a Vault token."""
