"""The training pipeline on Kubeflow: from the object store to the registry."""
