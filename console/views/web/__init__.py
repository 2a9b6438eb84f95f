"""Look and templates that the HTML report and the operator's page share."""
