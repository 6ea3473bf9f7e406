"""The centre in a cluster: manifests for `kubectl apply -k`, and the Secrets that they name."""
