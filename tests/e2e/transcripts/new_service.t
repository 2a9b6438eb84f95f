The two files, and the next step.

  $ strongroom new service letters --owner ada --description Writes --given smtp-password
  wrote /home/ada/projects/parcels/services/letters.yaml
  wrote /home/ada/projects/parcels/policies/letters.tests.yaml

  Next: strongroom up, then in any shell: set -a; . /home/ada/projects/parcels/.strongroom/env/letters.env; set +a
  Then, to prove its policy: strongroom policies test --env dev --service letters
  In the application's folder, for its requirements: strongroom sdk-wheel --out vendor/ (see docs/Installing.md)

Without a terminal to ask on, it names the options.

  $ strongroom new service letters2
  error: there is no terminal to ask on, and nothing was changed; pass --owner and --description
  [1]
