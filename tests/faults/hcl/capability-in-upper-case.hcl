path "a" {
  capabilities = ["READ"]
}
