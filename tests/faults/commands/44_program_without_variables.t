The program of parcels is started in a new shell.

  $ ../labels/.venv/bin/python -c 'import app_integration; app_integration.get_secret("carrier-token")' 2>&1 | tail -1; (exit ${PIPESTATUS[0]})
  app_integration.errors.ConfigurationError: STRONGROOM_SERVICE is not set; set it to the declared name of the service, such as parcels (for the local deployment, in its folder: set -a; . .strongroom/env/SERVICE.env)
  [1]

The mend.

  $ set -a; . .strongroom/env/parcels.env; set +a
  $ ../labels/.venv/bin/python -c 'import app_integration; app_integration.get_secret("carrier-token")'
