Each rule has a line with how often it would have called, at its threshold and at others.

  $ strongroom audit backtest --env dev --since 1s | head -2
  rule                threshold       findings  a week  busiest day  most by
  first_time          learning 7d     0         0.0     0            -

The command must know the environment.

  $ strongroom audit backtest
  strongroom: Missing option '--env'.
  [64]
