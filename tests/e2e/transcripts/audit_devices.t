Each log has a line with its size and the room that is left.

  $ strongroom audit devices --env dev
  /home/ada/projects/parcels/.strongroom/vault/audit/audit-1.log: 1,234 bytes, 1,234 MB free
  /home/ada/projects/parcels/.strongroom/vault/audit/audit-2.log: 1,234 bytes, 1,234 MB free

Too little room is a finding, and the exit code is 2.

  $ strongroom audit devices --env dev --min-free 99999999
  /home/ada/projects/parcels/.strongroom/vault/audit/audit-1.log: 1,234 bytes, 1,234 MB free
  /home/ada/projects/parcels/.strongroom/vault/audit/audit-2.log: 1,234 bytes, 1,234 MB free
  ✗ /home/ada/projects/parcels/.strongroom/vault/audit/audit-1.log: 1,234 MB are free on its disk, less than 99,999,999 MB; make room, because the server rejects every request when no device can write
  ✗ /home/ada/projects/parcels/.strongroom/vault/audit/audit-2.log: 1,234 MB are free on its disk, less than 99,999,999 MB; make room, because the server rejects every request when no device can write
  [2]
