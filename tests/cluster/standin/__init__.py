"""A stand-in for Pulumi's Kubernetes provider, for machines that can't have the real one.

The real `pulumi-resource-kubernetes` is published as a binary on Pulumi's own site, which the networks where these
tests run don't reach. This one speaks the same protocol to the same engine and applies the same objects to the same API
server; it knows what seedbed's program uses of the original and nothing more. Its rules for replacing objects and for
waiting until they are ready are the original's. What passes with it has to pass with the original, and the fixture that
puts it on PATH uses the original wherever that is installed.
"""
