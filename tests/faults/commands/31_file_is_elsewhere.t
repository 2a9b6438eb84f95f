  $ printf 'MAIL_PASSWORD=mail-99aa88bb77\n' > parcels.env

The values are in a file of the application.

  $ strongroom import-env .env --service parcels --dry-run
  error: .env does not exist or is not a file; pass the path of an .env file
  [1]

The mend.

  $ strongroom import-env parcels.env --service parcels --dry-run
  parcels:
    secrets, on the server (1): MAIL_PASSWORD
