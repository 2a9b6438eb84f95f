Ada got a new password of the mail server.

  $ printf mail-1a2b3c4d | strongroom put mail-pasword --service parcels
  error: parcels-dev has no secret 'mail-pasword'; did you mean 'mail-password'?; declare a new one under secrets in services/parcels.yaml
  [1]

The mend.

  $ printf mail-1a2b3c4d | strongroom put mail-password --service parcels > put.txt
