Ada got a new token.

  $ strongroom put mail-password --service parcels
  error: the value of mail-password is empty; pass it on standard input: strongroom put mail-password < FILE, with the same options
  [1]

The mend.

  $ printf mail-1a2b3c4d | strongroom put mail-password --service parcels > put.txt
