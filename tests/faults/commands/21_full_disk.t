The disk of the build host is full.

  $ strongroom schema service --out /dev/full
  error: No space left on device; free some room on the disk, then run the same command again
  [1]

The mend.

  $ strongroom schema service --out service.json
