"""What an environment on a Kubernetes cluster is made of."""
