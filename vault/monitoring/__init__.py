"""Monitoring: alerts, scrape configuration, mail routes and a dashboard, without a secret."""
