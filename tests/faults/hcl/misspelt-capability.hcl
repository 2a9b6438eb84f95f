path "a" {
  capabilities = ["raed"]
}
