path "a\q" {
  capabilities = ["read"]
}
