path "a" {
  capabilities = ["update"]
  denied_parameters = {
    "ttl" = "1h"
  }
}
