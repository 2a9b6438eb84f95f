Ada prepares for the loss of a credential.

  $ strongroom break-glass --env dev --out break-glass
  error: /home/ada/projects/parcels/break-glass would contain secrets where git may commit them; add break-glass to /home/ada/projects/parcels/.gitignore
  [1]

The mend.

  $ echo break-glass >> .gitignore
  $ strongroom break-glass --env dev --out break-glass
  break-glass: role-id and secret-id
