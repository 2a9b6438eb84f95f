The disk of the build host is full.

  $ strongroom schema service --out /dev/full
  error: No space left on device; make room, and repeat the command
  [1]

The mend.

  $ strongroom schema service --out service.json
