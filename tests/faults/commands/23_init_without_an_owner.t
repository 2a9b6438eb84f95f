A script makes the repository of another team.

  $ strongroom init ../letters
  error: there is no terminal to ask on, and nothing was changed; pass --owner
  [1]

The mend.

  $ strongroom init ../letters --owner ada | tail -1
  Next, in ../letters, declare a service: strongroom import-env FILE --service NAME --create, or strongroom new service NAME
