package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestWhoIsElectedWhileItsReloadHangsWaitsForItNotLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &replica{daemon: &daemon{}}
		r.reloading.Lock()
		if err := r.awaitReload(t.Context()); err == nil || !strings.Contains(err.Error(), "does not end") {
			t.Errorf("while it hangs: %v", err)
		}
		r.reloading.Unlock()
		if err := r.awaitReload(t.Context()); err != nil {
			t.Errorf("after its end: %v", err)
		}
	})
}
