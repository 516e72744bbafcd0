package daemon

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// wantGolden compares text with a file in testdata.
func wantGolden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s is:\n%s\nwant:\n%s", path, text, want)
	}
}

// checkOnline returns what is found, a line each, and at last what came of it all.
func (h *house) checkOnline(ctx context.Context) string {
	return h.checkOnlineAs(ctx, os.Geteuid(), TakeEnvironment())
}

func (h *house) checkOnlineAs(ctx context.Context, uid int, env Environment) string {
	var b strings.Builder
	v, err := CheckOnline(ctx, h.load(), OnlineOptions{
		Env: env, Socket: adminapi.Address{Path: h.path("admin.sock")}, UID: uid,
		Report: func(f Finding) { fmt.Fprintf(&b, "%-4s %s\n", f.Level, f.Text) },
	})
	if len(v.Faults) > 0 {
		fmt.Fprintf(&b, "fault: %s\n", strings.Join(v.Faults, "\nfault: "))
	}
	fmt.Fprintf(&b, "=> %v, %s\n", err, count(v.Warnings, "warning"))
	return strings.NewReplacer(h.dir, "DIR", h.api, "API").Replace(b.String())
}

func TestWhatACheckFindsOnline(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		name  string
		spoil func(h *house)
	}{
		{"all is well", func(*house) {}},
		{"two token types share the room, one in place", func(h *house) {
			h.configure("", "{subscribe: {}}", "{publish_subscribe: {}, subscribe: {strategy: in_place}}")
		}},
		{"named tokens fit, but not with three each", func(h *house) {
			h.configure("", "{subscribe: {}}", "{subscribe: {}, publish: {}, a: {operations: [publish]}, b: {operations: [publish]}}")
		}},
		{"named tokens do not fit beside others'", func(h *house) {
			h.configure("", "{subscribe: {}}", "{a: {operations: [publish]}, b: {operations: [publish]}, c: {operations: [publish]}}")
		}},
		{"there is no such relay", func(h *house) { h.sim.RemoveRelay(relayID) }},
		{"the account offers in_place alone", func(h *house) { h.sim.AddAccount(accountID, cfsim.Gen1) }},
		{"and that is what is wanted", func(h *house) {
			h.sim.AddAccount(accountID, cfsim.Gen1)
			h.configure("", "tokens: {subscribe: {}}", "tokens: {subscribe: {strategy: in_place}}")
		}},
		{"there is no API token", func(h *house) {
			if err := os.Remove(h.path("token")); err != nil {
				h.Fatal(err)
			}
		}},
		{"a target holds what somebody else wrote", func(h *house) { h.put("live-subscribe.token", "somebody's") }},
		{"which is to be taken over", func(h *house) {
			h.put("live-subscribe.token", "somebody's")
			h.configure("", "{type: file,", "{type: file, existing: adopt,")
		}},
		{"a web configuration that cannot be served by", func(h *house) {
			h.put("web.yaml", "tls_server_config: {cert_file: gone.pem, key_file: gone.pem}\n")
			h.configure("", `listen: "127.0.0.1:0"`, `listen: "127.0.0.1:0", web_config_file: `+h.path("web.yaml"))
		}},
		{"and one that can", func(h *house) {
			h.put("web.yaml", "basic_auth_users: {}\n")
			h.configure("", `listen: "127.0.0.1:0"`, `listen: "127.0.0.1:0", web_config_file: `+h.path("web.yaml"))
		}},
		{"a required and an optional sink cannot be written", func(h *house) {
			h.put("no-folder", "")
			h.configure("", `disk: {type: file, path: "`+h.dir, `disk: {type: file, path: "`+h.dir+"/no-folder",
				"sinks: [disk]", "sinks: [disk, {sink: spare, required: false}]",
				"defaults:", `  spare: {type: file, path: "`+h.dir+`/no-folder/{{.Relay}}-{{.Type}}"}`+"\ndefaults:")
		}},
		{"two slots deliver to one place", func(h *house) {
			if err := os.Symlink(h.dir, h.path("link")); err != nil {
				h.Fatal(err)
			}
			h.configure("", "{subscribe: {}}", "{publish_subscribe: {}, subscribe: {sinks: [{sink: disk, path: \""+
				h.path("link/live-publish_subscribe.token")+"\"}]}}")
		}},
	} {
		h := newHouse(t)
		c.spoil(h)
		fmt.Fprintf(&b, "# %s\n%s\n", c.name, h.checkOnline(t.Context()))
		if n := h.sim.Counts(); n[cfsim.Create]+n[cfsim.Rotate]+n[cfsim.Revoke] > 0 {
			t.Errorf("%s: it changed something", c.name)
		}
	}
	wantGolden(t, "online.txt", b.String())
}

func TestACheckWarnsOfAnAPITokenThatEndsAndOfAClockThatIsWrong(t *testing.T) {
	h := newHouse(t)
	h.ahead.Store(int64(3 * time.Hour))
	h.sim.SetAPIToken("a-token", cfsim.OwnedByUser, "", time.Now().AddDate(0, 0, 20))
	got := h.checkOnline(t.Context())
	for _, want := range []string{
		"warn account main: the account's API token expires on 2", "make a new one",
		"warn account main: this machine's clock is 3 h behind Cloudflare's", "set it (timedatectl, chronyc)", "=> <nil>, 2 warnings",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

func TestACheckThatIsInterruptedSaysSo(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got := h.checkOnline(ctx); !strings.Contains(got, "interrupted: the rest was not checked") || strings.Contains(got, "slot live") {
		t.Error(got)
	}
}

// stranger is no user of any machine.
const stranger = 4294967290

func wantSaid(t *testing.T, got string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(got, word) {
			t.Errorf("it does not say %q:\n%s", word, got)
		}
	}
}

func TestACheckByAnotherUserSaysWhatItCannotJudge(t *testing.T) {
	h := newHouse(t)
	if err := os.Mkdir(h.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := h.checkOnlineAs(t.Context(), stranger, TakeEnvironment())
	wantSaid(t, got, "warn this is uid 4294967290, and rotatord runs as ", "(the owner of DIR/state), and no daemon answers",
		"write where disk keeps tokens and read the files that the configuration names, and which environment", "=> <nil>, 1 warning")
	if err := os.Remove(h.path("token")); err != nil {
		t.Fatal(err)
	}
	wantSaid(t, h.checkOnlineAs(t.Context(), stranger, TakeEnvironment()), "FAIL get relay", "token: no such file or directory") // for nobody
	h.configure("", "{file: "+h.path("token")+"}", "{env: ROTATORD_TEST_TOKEN}")
	wantSaid(t, h.checkOnlineAs(t.Context(), stranger, Environment{}),
		"warn read secret from environment variable ROTATORD_TEST_TOKEN: it was not set when rotatord started; not judged: ", "=> <nil>")
	h.put("token", "a-token")
	h.put("folder", "")
	h.configure("", `path: "`+h.dir, `path: "`+h.path("folder"))
	wantSaid(t, h.checkOnlineAs(t.Context(), stranger, TakeEnvironment()), "FAIL probe disk") // nobody sees a folder there
}

func TestWhereNothingTellsAsWhomRotatordRunsACheckJudgesForItself(t *testing.T) {
	v := findCheckUsers(stranger, newHouse(t).load(), adminapi.Address{Path: "/nonexistent/socket"})
	if _, err := user.Lookup(usualUser); err != nil && v.differs() {
		t.Errorf("%+v", v)
	}
}

func TestACheckByAnotherUserAsksTheDaemon(t *testing.T) {
	t.Setenv("ROTATORD_TEST_TOKEN", "a-token")
	h := newHouse(t)
	h.configure("", "initial: schedule", "initial: now", "{file: "+h.path("token")+"}", "{env: ROTATORD_TEST_TOKEN}")
	h.whileItRuns(func() {
		var got string
		for !strings.Contains(got, "it holds the token that rotatord delivered") && t.Context().Err() == nil {
			got = h.checkOnlineAs(t.Context(), stranger, Environment{})
		}
		wantSaid(t, got, "note this is uid 4294967290, and rotatord runs as ", "(the owner of DIR/admin.sock): what depends on its user",
			"ok   the daemon lists its 3 tokens; the API token cannot be read here", "ok   room: others hold 2 tokens",
			"ok   overlap is offered", "=> <nil>, 0 warnings")
		h.sim.RemoveRelay(relayID)
		wantSaid(t, h.checkOnlineAs(t.Context(), stranger, Environment{}), "FAIL the daemon says: list tokens", "=> 1 fault found")
	})
}

// whileItRuns calls do beside a daemon.
func (h *house) whileItRuns(do func()) {
	h.Helper()
	ctx, stop := context.WithCancel(h.Context())
	o, started, ended := h.options(), make(chan struct{}), make(chan error, 1)
	o.Started = func(string) { close(started) }
	go func() { ended <- Run(ctx, h.load(), o) }()
	<-started
	do()
	stop()
	if err := <-ended; err != nil {
		h.Error(err)
	}
}

func TestACheckAsksARunningDaemonWhatItDelivered(t *testing.T) {
	h := newHouse(t)
	h.configure("", "initial: schedule", "initial: now")
	h.whileItRuns(func() {
		got := h.checkOnline(t.Context())
		for !strings.Contains(got, "it holds the token that rotatord delivered") && t.Context().Err() == nil {
			got = h.checkOnline(t.Context())
		}
	})
}

// After a journal was lost, its tokens are nobody's and take places, which their label does not tell.
func TestACheckCountsTokensThatTheJournalDoesNotKnowAsOthers(t *testing.T) {
	h := newHouse(t)
	h.configure("", "initial: schedule", "initial: now")
	for range 6 {
		h.whileItRuns(func() {
			for !strings.Contains(h.checkOnline(t.Context()), "it holds the token that rotatord delivered") && t.Context().Err() == nil {
				runtime.Gosched()
			}
		})
		for _, lost := range []string{"state", "live-subscribe.token"} {
			if err := os.RemoveAll(h.path(lost)); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.configure("")
	h.whileItRuns(func() {
		wantSaid(t, h.checkOnline(t.Context()),
			"FAIL no room: others hold 8 tokens (6 of them former ones of this installation, see `rotatord tokens`) and rotatord needs up to 3,")
	})
}
