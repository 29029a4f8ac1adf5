"""The runners on a cluster: files there, what runs on a node, and what is said when it fails."""
