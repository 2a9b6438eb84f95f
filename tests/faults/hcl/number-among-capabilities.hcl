path "a" {
  capabilities = ["read", 7]
}
