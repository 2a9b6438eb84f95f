Ada set a port for another deployment, in the same shell.

  $ export STRONGROOM_VAULT_PORT=18300; strongroom plan
  error: STRONGROOM_VAULT_PORT is 18300, but the deployment in /home/ada/projects/parcels/.strongroom is running on port 18200; unset STRONGROOM_VAULT_PORT to use that deployment, run strongroom down before strongroom up to move it, or start another one with strongroom up --root FOLDER
  [1]

The mend.

  $ unset STRONGROOM_VAULT_PORT
  $ strongroom plan
  Plan: 0 to create, 0 to change, 0 to delete, 41 unchanged, 0 without a value.
