Where nothing runs, that is said.

  $ strongroom monitoring down
  Nothing was running.

An option that does not exist.

  $ strongroom monitoring down --yes
  strongroom: No such option: --yes
  [64]
