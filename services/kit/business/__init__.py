"""What every business service stands on: a database with inbox and outbox, a bus, an audit trail, an API.

Once and only once: a message's inbox row is in the transaction of its effect and the acknowledgement follows
the commit; what is to be told lies in the outbox in the transaction of the change and is published behind it.
"""
