Bo declares his service.

  $ strongroom new service labels --owner bo --description Writes
  error: /home/ada/projects/parcels/services/labels.yaml exists; edit it, or choose another name
  [1]

The mend.

  $ strongroom new service letters --owner bo --description Writes | head -1
  wrote /home/ada/projects/parcels/services/letters.yaml
