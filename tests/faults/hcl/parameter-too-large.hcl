path "a" {
  capabilities = ["update"]
  allowed_parameters = {
    "ttl" = [9223372036854775808]
  }
}
