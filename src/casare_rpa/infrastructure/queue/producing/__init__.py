"""What a producer can do, one family of calls a file; `PgQueuerProducer` is all of them together."""
