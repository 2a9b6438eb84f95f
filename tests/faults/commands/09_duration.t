  $ sed -i 's/period: 1h/period: 1 hour/' environments/dev.yaml

The period of tokens was changed.

  $ strongroom check
  environments/dev.yaml:12: tokens.period is '1 hour' (expected a duration from 1m to 32d, in s, m, h or d)
  [2]

The mend.

  $ sed -i 's/1 hour/1h/' environments/dev.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
