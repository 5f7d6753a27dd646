"""The families of calls of the producer that is not async; each mirrors its namesake in `producing`."""
