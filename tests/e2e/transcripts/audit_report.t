The report begins with how much was asked and denied.

  $ strongroom audit report --env dev --service labels | sed 's/[0-9,][0-9,]*/N/g' | head -1
  N requests of N actors in dev: N readsN N loginsN N deniedN N failedN N absent.

A service that is not declared.

  $ strongroom audit report --env dev --service label
  error: no service 'label' is declared (expected labels or parcels; did you mean 'labels'?)
  [1]
