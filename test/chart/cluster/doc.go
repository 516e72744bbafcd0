// Package cluster tests that a real kube-apiserver takes the chart and the kustomize base,
// and lets their Pod into a namespace that enforces the Pod security standard restricted.
package cluster
