Ada got a new password of the mail server.

  $ strongroom put mail-password mail-1a2b3c4d --service parcels
  strongroom: Invalid value: put reads the value from standard input: strongroom put mail-password < FILE, with the same options; the one in the command line is in the shell's history now, so use another
  [64]

The mend.

  $ printf mail-1a2b3c4d | strongroom put mail-password --service parcels > put.txt
