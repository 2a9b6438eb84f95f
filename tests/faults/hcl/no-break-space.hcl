path "secret/data/a" {
  capabilities = ["read"]
}
