  $ mkdir -m 700 archive; head -n 5 .strongroom/vault/audit/audit-1.log > audit.log

The audit log should be kept, without a key of the service.

  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload 'touch audit.log' --no-key
  strongroom: Invalid value: --no-key needs a --recipient, such as age1…; otherwise nobody can decrypt
  [64]

The mend.

  $ key=$(strongroom dev-values key 2> /dev/null)
  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload 'touch audit.log' --no-key --recipient $key
  archive/audit-20260102T030405Z.jsonl.zst.encrypted: 5 lines, 1,234 bytes
  head 0000000000000000000000000000000000000000000000000000000000000000
