path "a" {
  capabilities = ["read"];
}
