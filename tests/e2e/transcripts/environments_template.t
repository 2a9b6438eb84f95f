An environment that is not on AWS.

  $ strongroom environments template prod
  error: prod is not on AWS; declare 'aws' with account and region in its file
  [1]
