"""A Kubernetes cluster as seen from the command line: reached, checked before `up`, looked through after `down`."""
