Ada got a new password of the mail server.

  $ strongroom put mail-password mail-1a2b3c4d --service parcels
  strongroom: Got unexpected extra argument(s) (mail-1a2b3c4d)
  [64]

The mend.

  $ printf mail-1a2b3c4d | strongroom put mail-password --service parcels > put.txt
