package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/moq"
)

// disks are state folders on the kinds of file system that there are.
func disks() map[string]Options {
	refuse := func(errno syscall.Errno) func(string, string) error {
		return func(string, string) error { return errno }
	}
	local, fat, p9 := durable.Kernel(), durable.Kernel(), durable.Kernel()
	fat.Link = refuse(syscall.EPERM)
	p9.Link, p9.RenameNoReplace = refuse(syscall.EOPNOTSUPP), refuse(syscall.EINVAL)
	return map[string]Options{"local": {publish: local.Publish}, "FAT": {publish: fat.Publish}, "9p": {publish: p9.Publish}}
}

// A crash before or after any file takes its name leaves what the next start makes good.
func TestACrashWhileAFileTakesItsNameLosesNothing(t *testing.T) {
	dead := errors.New("killed")
	for disk, whole := range disks() {
		for n := range 2 { // the database, and its log
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprint(disk, " ", n, " ", after), func(t *testing.T) {
					dir, calls := t.TempDir(), 0
					_, err := Open(dir, Options{publish: func(temp, path string) error {
						if calls++; calls <= n {
							return whole.publish(temp, path)
						}
						if after {
							return errors.Join(whole.publish(temp, path), dead)
						}
						return dead
					}})
					if !errors.Is(err, dead) {
						t.Fatalf("it did not die: %v", err)
					}
					b := openWith(t, dir, whole)
					mustSave(t, b, recordOf(1, 1, 100))
					killed(t, b)
					expectState(t, openWith(t, dir, whole), map[moq.Key]int{slotKey(1): 1})
				})
			}
		}
	}
}

// Of two that start at once in a new folder one goes on, and nothing of what it saves is lost.
func TestTwoThatMakeAJournalAtOnce(t *testing.T) {
	for disk, o := range disks() {
		t.Run(disk, func(t *testing.T) {
			dir := t.TempDir()
			var journals [4]*Bolt
			var wg sync.WaitGroup
			for i := range journals {
				wg.Go(func() {
					b, err := Open(dir, o)
					if err != nil {
						return
					}
					journals[i] = b
				})
			}
			wg.Wait()
			var winner *Bolt
			for _, b := range journals {
				if b != nil && winner != nil {
					t.Error("two have it open")
				}
				if b != nil {
					winner = b
				}
			}
			if winner == nil {
				t.Fatal("none has it open")
			}
			if err := winner.log.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustSave(t, winner, recordOf(1, 1, 100))
			shut(t, winner)
			expectState(t, openWith(t, dir, o), map[moq.Key]int{slotKey(1): 1})
			if left, _ := filepath.Glob(filepath.Join(dir, "*.new*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// What somebody put there meanwhile is left alone on every file system.
func TestWhatTookTheNameOfALostFileMeanwhileIsLeftAlone(t *testing.T) {
	for disk, o := range disks() {
		for _, name := range []string{"database", "log"} {
			t.Run(disk+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				var ambush func()
				b := openWith(t, dir, Options{publish: func(temp, path string) error {
					if ambush != nil {
						ambush()
					}
					return o.publish(temp, path)
				}})
				mustSave(t, b, recordOf(1, 1, 10))
				path := both(b)[name]
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				ambush = func() {
					if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
						t.Error(err)
					}
				}
				if err := b.Restore(t.Context(), memoryOf(map[moq.Key]int{slotKey(1): 1})); err == nil {
					t.Error("it was taken")
				}
				if text, err := os.ReadFile(path); err != nil || string(text) != "theirs" {
					t.Errorf("it holds %q (%v)", text, err)
				}
			})
		}
	}
}
