An environment that is not on AWS.

  $ strongroom aws rotation-function --env prod --out function
  error: prod is not on AWS; declare 'aws' with account and region in its file
  [1]
