path "a" {
  capabilities = ["update"]
  allowed_parameters = {
    "ttl" = [1e999]
  }
}
