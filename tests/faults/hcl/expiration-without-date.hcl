path "a" {
  capabilities = ["read"]
  expiration = "next year"
}
