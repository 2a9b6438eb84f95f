Ada wants to check what dev declares.

  $ strongroom check --env dev
  strongroom: No such option: --env
  [64]

The mend.

  $ strongroom check
  No error in the declaration, its templates and its policies.
