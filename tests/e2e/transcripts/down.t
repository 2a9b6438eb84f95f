Where nothing runs, that is said.

  $ strongroom down --root elsewhere
  Nothing was running.

An option that does not exist.

  $ strongroom down --yes
  strongroom: No such option: --yes
  [64]
