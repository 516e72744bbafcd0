package e2e

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// readerList is what `setfacl -m u:1234:r` makes of a file of mode 0640.
const readerList = "\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
	"\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"

// A consumer that was let in by an access list reads the next tokens, too, without a person: the journal knows
// what was in the file. Once somebody has written to it, nothing of it is handed on, and the log says so.
func TestWhoWasLetInByAnAccessListReadsTheNextTokensToo(t *testing.T) {
	t.Parallel()
	const slot, list = "live/subscribe", "system.posix_acl_access"
	w := newWorld(t, 1)
	w.configure(settings{Defaults: "{schedule: manual, initial: schedule, grace: 1s, sinks: [disk]}"})
	d := w.start()
	rotate := func() {
		t.Helper()
		before := w.token(slot)
		w.rotatord("rotate", slot).Expect(t, 0)
		if w.token(slot) == before {
			t.Fatal("there is no new token")
		}
	}
	held := func() string {
		b := make([]byte, 256)
		n, _ := syscall.Getxattr(w.Path("tokens/"+slot+".token"), list, b)
		return string(b[:max(n, 0)])
	}
	rotate()
	if err := syscall.Setxattr(w.Path("tokens/"+slot+".token"), list, []byte(readerList), 0); errors.Is(err, syscall.ENOTSUP) {
		t.Logf("%s keeps no access lists", w.Dir)
		return
	} else if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		rotate()
		if got := held(); got != readerList {
			t.Fatalf("the list is % x now", got)
		}
	}
	if said := d.logs.String() + w.rotatord("check", "--online").Expect(t, 0).Out; strings.Contains(said, list) {
		t.Error("somebody tells of a list that is not lost")
	}
	if err := os.WriteFile(w.Path("tokens/"+slot+".token"), []byte("forged"), 0); err != nil {
		t.Fatal(err)
	}
	rotate()
	if got := held(); got != "" {
		t.Errorf("a file that somebody has written to handed on % x", got)
	}
	d.says(list, "which the next one will lack", "it does not hold what rotatord last delivered there")
}
