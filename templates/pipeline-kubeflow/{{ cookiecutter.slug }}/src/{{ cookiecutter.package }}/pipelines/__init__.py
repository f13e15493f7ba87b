"""The training pipeline on Kubeflow: the stages of `stages.py` as components, from the object store to the registry."""
