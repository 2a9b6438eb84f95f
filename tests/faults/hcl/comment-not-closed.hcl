path "a" {
  capabilities = ["read"]
}
/* and so on
