"""Resources that Pulumi manages through this program itself, so that no provider plugin is needed."""
