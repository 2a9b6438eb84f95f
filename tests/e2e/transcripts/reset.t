Without a folder to erase, that is said.

  $ strongroom reset --root elsewhere --yes
  There is no local deployment in /home/ada/projects/parcels/elsewhere.

Without a terminal, the question is answered with no.

  $ strongroom reset
  Erase /home/ada/projects/parcels/.strongroom with all its data and keys? [y/N]: Aborted; nothing was changed. Without a terminal nobody can answer; pass --yes.
  [1]
