package cluster

import "testing"

func TestOnARealKubernetes(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"Helm installs the chart, and its Pod is let into a restricted namespace", testInstall},
		{"what is no object of Kubernetes is refused", testRefusals},
		{"a Pod that may do more is not let in", testRestriction},
		{"Helm upgrades the chart to another version and to other values, and back", testUpgrade},
		{"an upgrade restarts rotatord where its version or its configuration is new", testRestart},
		{"a larger claim is refused", testLargerClaim},
		{"what is uninstalled leaves its claim, and what was there before", testUninstall},
		{"the kustomize base is taken, its Pod let in, and a new configuration restarts it", testKustomize},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, w) })
	}
}
