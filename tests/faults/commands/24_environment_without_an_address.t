  $ rm -rf ../letters

A repository is made for dev and prod.

  $ strongroom init ../letters --owner ada --environment prod
  error: --environment is 'prod'; expected a name and the address of its server, such as prod=https://vault.example.com:8200; dev has a local server
  [1]

The mend.

  $ strongroom init ../letters --owner ada --environment prod=https://vault.example.com:8200 | tail -1
  Next, in ../letters, declare a service: strongroom import-env FILE --service NAME --create, or strongroom new service NAME
  $ rm -r ../letters
