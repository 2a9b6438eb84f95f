The value is read from standard input, and the reader sees its version and which processes need a restart.

  $ printf %s mail-77aa88bb99cc | strongroom put mail-password --service parcels
  mail-password: version 2
  restart: a process that read it into settings or a variable, such as at import, has the old value until then
  get_secret at each use, on_change for what is built from a value, and for a program without the SDK run --restart-on-change, need no restart by hand

A value as an argument would be in the shell's history, so that there is no such argument.

  $ strongroom put mail-password mail-77aa88bb99cc --service parcels
  strongroom: Invalid value: put reads the value from standard input: strongroom put mail-password < FILE, with the same options; the one in the command line is in the shell's history now, so use another
  [64]
