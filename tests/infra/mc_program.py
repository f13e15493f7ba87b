"""MinIO's client for the tests: `mc` in the cache, built from its Go module (a minute of CPU, once).

What is called `mc` on PATH is as likely Midnight Commander.
"""

from tests.infra.go_program import GoProgram

_PROGRAM = GoProgram("mc", "github.com/minio/mc", "v0.0.0-20250313080218-cf909e1063a9")
find, obtain = _PROGRAM.find, _PROGRAM.obtain
