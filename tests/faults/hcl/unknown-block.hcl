paths "a" {
  capabilities = ["read"]
}
