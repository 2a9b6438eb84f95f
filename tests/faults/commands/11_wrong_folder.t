Ada is in the folder above her clone.

  $ cd ..; strongroom check
  error: there is no strongroom.yaml in /home/ada/projects or in a folder above it; change to your deployment's repository, or make one with: strongroom init FOLDER
  [1]

The mend.

  $ cd parcels
  $ strongroom check
  No error in the declaration, its templates and its policies.
