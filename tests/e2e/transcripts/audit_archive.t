Each segment has a line, and the head proves later that none is missing.

  $ mkdir -m 700 archive; head -n 5 .strongroom/vault/audit/audit-1.log > audit.log
  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload "touch audit.log" --no-key --recipient "$(strongroom dev-values key 2> /dev/null)"
  archive/audit-20260102T030405Z.jsonl.zst.encrypted: 5 lines, 1,234 bytes
  head 0000000000000000000000000000000000000000000000000000000000000000

Without a key that only encrypts, the message names the two ways.

  $ strongroom audit archive --service parcels --env dev --folder archive
  error: parcels has no key 'audit' with which it may only encrypt; declare it in services/parcels.yaml, or pass --no-key with a --recipient
  [1]
