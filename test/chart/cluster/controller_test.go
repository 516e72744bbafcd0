package cluster

import (
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// createPod does what the controller of StatefulSets would: it creates a set's first Pod.
func (w *world) createPod(t *testing.T, set *appsv1.StatefulSet) error {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
	pod.Name = set.Name + "-0"
	for _, claim := range set.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + pod.Name},
		}})
	}
	_, err := w.client.CoreV1().Pods(set.Namespace).Create(t.Context(), pod, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	return err
}

// createClaims does what the controller would, too: a set's claims for its first Pod.
func (w *world) createClaims(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	for _, claim := range set.Spec.VolumeClaimTemplates {
		claim.Name += "-" + set.Name + "-0"
		must(w.client.CoreV1().PersistentVolumeClaims(set.Namespace).Create(t.Context(), &claim, metav1.CreateOptions{}))(t)
	}
}

const kinds = "pods,persistentvolumeclaims,secrets,configmaps,serviceaccounts,services,statefulsets,networkpolicies,poddisruptionbudgets," +
	"servicemonitors,podmonitors,prometheusrules"

// objects returns what there is in a namespace, by kinds and names, beside Helm's own notes.
func (w *world) objects(t *testing.T, namespace string) []string {
	t.Helper()
	found := must(kube.New(w.flags).Factory.NewBuilder().Unstructured().NamespaceParam(namespace).
		ResourceTypeOrNameArgs(true, kinds).Flatten().Do().Infos())(t)
	var names []string
	for _, o := range found {
		if !strings.HasPrefix(o.Name, "sh.helm.release.") {
			names = append(names, o.Mapping.GroupVersionKind.Kind+" "+o.Name)
		}
	}
	return slices.Sorted(slices.Values(names))
}
