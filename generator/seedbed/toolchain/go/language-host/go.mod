module seedbed.build/language-host
go 1.26
require (
 github.com/pulumi/pulumi/sdk/v3 v3.55.0
)
