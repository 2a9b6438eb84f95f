"""A worker without a web page: it takes orders from a queue and sends the customers mail.

It reads the store's database with a role that changes nothing. ``README.md`` explains each file.
"""
