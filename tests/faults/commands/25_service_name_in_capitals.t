Bo declares his service.

  $ strongroom new service Letters --owner bo --description Writes
  error: service name 'Letters': use at most 40 lower-case letters, digits and single '-', beginning with a letter
  [1]

The mend.

  $ strongroom new service letters --owner bo --description Writes | head -1
  wrote /home/ada/projects/parcels/services/letters.yaml
