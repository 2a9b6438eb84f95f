path "a" {
  capabilities = ["read"]
}
}
