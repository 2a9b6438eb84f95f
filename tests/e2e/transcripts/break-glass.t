The two files of the credential are named.

  $ strongroom break-glass --env dev --out ../break-glass; rm -r ../break-glass
  ../break-glass: role-id and secret-id

A folder that git would commit.

  $ strongroom break-glass --env dev --out break-glass
  error: /home/ada/projects/parcels/break-glass would contain secrets where git may commit them; add break-glass to /home/ada/projects/parcels/.gitignore
  [1]
