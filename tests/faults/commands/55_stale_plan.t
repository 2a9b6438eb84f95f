  $ sed -i 's/^secrets:/&\n  stamp-key: {source: generated, length: 48}/' services/labels.yaml
  $ strongroom plan --out change.plan > plan.txt
  [2]
  $ sed -i 's/stamp-key/seal-key/' services/labels.yaml; strongroom apply --env dev > apply.txt

Ada applies the plan that was approved.

  $ strongroom apply change.plan
  error: the server changed since this plan was made; make another plan, with: strongroom plan --env dev --out FILE
  [1]

The mend.

  $ strongroom plan --out change.plan | tail -1
  Plan: 0 to create, 0 to change, 0 to delete, 43 unchanged, 0 without a value.
  $ strongroom apply change.plan
  Plan: 0 to create, 0 to change, 0 to delete, 43 unchanged, 0 without a value.
