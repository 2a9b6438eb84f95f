  $ mkdir ../stub; echo "raise ModuleNotFoundError('', name='sqlalchemy')" > ../stub/sqlalchemy.py

The program of parcels opens its database.

  $ set -a; . .strongroom/env/parcels.env; PYTHONPATH=../stub; set +a; ../labels/.venv/bin/python -c 'import app_integration; app_integration.database_engine()' 2>&1 | tail -1; (exit ${PIPESTATUS[0]})
  ModuleNotFoundError: sqlalchemy is not installed; install strongroom-sdk[database]
  [1]

The mend.

  $ rm -r ../stub
  $ ../labels/.venv/bin/python -c 'import app_integration; app_integration.database_engine()'
