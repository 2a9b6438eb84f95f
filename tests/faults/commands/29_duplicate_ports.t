Ada set two ports, because hers were taken.

  $ STRONGROOM_VAULT_PORT=18300 STRONGROOM_REDIS_PORT=18300 strongroom status
  error: STRONGROOM_VAULT_PORT and STRONGROOM_REDIS_PORT are both 18300; set another port for one
  [1]

The mend.

  $ STRONGROOM_VAULT_PORT=18300 STRONGROOM_REDIS_PORT=18301 strongroom status | head -1
  part               state        port   pid   since
