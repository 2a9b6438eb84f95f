  $ head -n 5 .strongroom/vault/audit/audit-1.log > audit.log
  $ key=$(strongroom dev-values key 2> /dev/null)

The audit log should be kept.

  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload 'touch audit.log' --no-key --recipient $key
  error: archive is not a folder; create it first
  [1]

The mend.

  $ mkdir -m 700 archive
  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload 'touch audit.log' --no-key --recipient $key
  archive/audit-20260102T030405Z.jsonl.zst.encrypted: 5 lines, 1,234 bytes
  head 0000000000000000000000000000000000000000000000000000000000000000
