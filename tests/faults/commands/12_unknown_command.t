Ada remembers the command nearly.

  $ strongroom chekc
  strongroom: No such command 'chekc'. Did you mean 'check'?
  [64]

The mend.

  $ strongroom check
  No error in the declaration, its templates and its policies.
