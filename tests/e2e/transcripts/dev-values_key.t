The first call makes the pair of keys, and prints the public one.

  $ strongroom dev-values key | cut -c -4
  wrote a new key pair to /home/ada/projects/home/.config/strongroom/identity.txt; keep it to yourself
  age1

The command takes no name.

  $ strongroom dev-values key ada
  strongroom: Got unexpected extra argument(s) (ada)
  [64]
