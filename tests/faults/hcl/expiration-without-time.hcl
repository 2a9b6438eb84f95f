path "a" {
  capabilities = ["read"]
  expiration = "2030-01-31"
}
