The service should trust the CA of the company.

  $ set -a; . .strongroom/env/parcels.env; VAULT_CACERT=/etc/company-ca.pem; set +a; ../labels/.venv/bin/python -c 'import app_integration; app_integration.get_secret("carrier-token")' 2>&1 | tail -1; (exit ${PIPESTATUS[0]})
  app_integration.errors.ConfigurationError: VAULT_CACERT: /etc/company-ca.pem cannot be read: No such file or directory; name a readable PEM file
  [1]

The mend.

  $ unset VAULT_CACERT
  $ ../labels/.venv/bin/python -c 'import app_integration; app_integration.get_secret("carrier-token")'
