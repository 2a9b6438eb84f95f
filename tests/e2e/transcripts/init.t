The command lists what it wrote, and ends with the next step.

  $ strongroom init ../letters --owner ada | tail -3
  wrote ../letters/strongroom.yaml

  Next, in ../letters, declare a service: strongroom import-env FILE --service NAME --create, or strongroom new service NAME

Where it cannot ask, it names what is missing.

  $ strongroom init ../other
  error: there is no terminal to ask on, and nothing was changed; pass --owner
  [1]
