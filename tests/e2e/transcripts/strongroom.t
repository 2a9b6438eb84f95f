Without a command the reader sees the repository, and the next step.

  $ strongroom
  Repository:        /home/ada/projects/parcels
  Environments:      dev, prod
  Services:          labels, parcels
  Local deployment:  running

  Next:              strongroom run --service labels -- COMMAND
                     runs a program with a service's secrets
  All commands:      strongroom --help

A mistyped command is answered by the nearest one.

  $ strongroom chekc
  strongroom: No such command 'chekc'. Did you mean 'check'?
  [64]
