package web

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// browser is a Chromium, driven through its debugging pipe.
type browser struct {
	t       *testing.T
	in      io.Writer
	out     *bufio.Reader
	last    int
	session string
}

// openBrowser starts a browser with one page. Where there is none it ends the test: where CI is set, as failed.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	tool := harness.NeedTool(t, "chromium")
	theirIn, ourOut, err := os.Pipe()
	ourIn, theirOut, err2 := os.Pipe()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), tool, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
		"--hide-scrollbars", "--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "about:blank")
	cmd.ExtraFiles, cmd.WaitDelay = []*os.File{theirIn, theirOut}, 10*time.Second
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	b := &browser{t: t, in: ourOut, out: bufio.NewReader(ourIn)}
	t.Cleanup(func() {
		b.session = ""
		b.do("Browser.close", map[string]any{})
		_ = cmd.Wait()
		_, _ = ourIn.Close(), ourOut.Close()
	})
	target := b.do("Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	b.session = b.do("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	return b
}

// do carries out a command of the DevTools protocol and returns its result.
func (b *browser) do(method string, params map[string]any) map[string]any {
	b.t.Helper()
	b.last++
	command := map[string]any{"id": b.last, "method": method, "params": params}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	if _, err := b.in.Write(append(must(json.Marshal(command)), 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		line, err := b.out.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID     int
			Result map[string]any
			Error  any
		}
		if err := json.Unmarshal(line[:len(line)-1], &answer); err != nil {
			b.t.Fatal(err)
		}
		if answer.ID == b.last {
			if answer.Error != nil {
				b.t.Fatalf("%s: %v", method, answer.Error)
			}
			return answer.Result
		}
	}
}

// open shows an address in a window so many pixels wide.
func (b *browser) open(url string, wide int) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": wide, "height": 900, "deviceScaleFactor": 1, "mobile": false})
	b.do("Page.navigate", map[string]any{"url": url})
	eventually(b.t, func() bool {
		return b.read(`document.readyState == "complete" && location.href != "about:blank"`) == true
	})
}

// read evaluates an expression in the page.
func (b *browser) read(expression string) any {
	b.t.Helper()
	return b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true})["result"].(map[string]any)["value"]
}

// shoot keeps a picture of the whole page, where WEB_SCREENSHOTS names a folder.
func (b *browser) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("WEB_SCREENSHOTS")
	if folder == "" {
		return
	}
	data := b.do("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})["data"].(string)
	writeFile(b.t, filepath.Join(folder, name+".png"), string(must(base64.StdEncoding.DecodeString(data))))
}

// cutOff lists what sticks out of the window, and elements that their text sticks out of.
const cutOff = `[...document.body.querySelectorAll("*")].filter(e => {
	if (e.closest(".unseen, svg")) return false;
	const box = e.getBoundingClientRect();
	if (box.width == 0) return false;
	const holds = getComputedStyle(e).display != "inline" && e.tagName != "INPUT";
	return box.left < -0.5 || box.right > innerWidth + 0.5 || holds && e.scrollWidth > e.clientWidth + 1;
}).map(e => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 40)).join("\n")`

// extremes are slots with the longest names, and errors without a place to break them.
func extremes() *fakeDaemon {
	name := strings.Repeat("m", 63)
	d := variety()
	for i := range d.slots {
		s := &d.slots[i]
		s.Relay, s.Type, s.Account = fmt.Sprint(i)+name[1:], moq.TokenType(strings.Repeat("w", 63)), name
		s.Slot = s.Relay + "/" + string(s.Type)
		s.Labels = map[string]string{name: strings.Repeat("W", 200)}
		s.TokenID, s.RelayID, s.Rotation = strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("z", 26)
		s.Note = "a note " + strings.Repeat("n", 300)
		s.Sinks = nil
		for _, state := range []slot.TargetState{slot.TargetOK, slot.TargetPending, slot.TargetUnusable} {
			s.Sinks = append(s.Sinks, slot.TargetStatus{
				Sink: name, Target: "/" + strings.Repeat("p", 400), State: state, Required: true, Since: now.Add(-time.Hour),
				Error: "403 " + strings.Repeat("E", 500), Repair: "at the next rotation, Sun 2000-01-02 04:00Z",
			})
		}
		if s.Failure != nil {
			s.Failure.Sink, s.Failure.Message = name, strings.Repeat("M", 600)
		}
		s.OldTokens = []slot.TokenStatus{{TokenID: strings.Repeat("c", 32), Retire: now.Add(time.Hour)}}
	}
	d.notes = []string{strings.Repeat("o", 300)}
	d.ready = errors.New(strings.Repeat("r", 300))
	d.events = []slot.Event{{
		At: now, Kind: slot.EventFailed, Cause: "compromised", Stage: slot.StageMint, By: "user " + strings.Repeat("u", 200), Detail: strings.Repeat("d", 400),
	}, {At: now, Kind: slot.EventRotated, By: "uid 0 (root)", TokenID: strings.Repeat("c", 32), Took: time.Minute}}
	return d
}

func TestNothingIsCutOffAtAnyWidth(t *testing.T) {
	b := openBrowser(t)
	for kind, d := range map[string]*fakeDaemon{"usual": variety(), "extreme": extremes()} {
		s := httptest.NewServer(New(options(d)).adminHandler())
		defer s.Close()
		for page, path := range map[string]string{
			"overview": "/", "slot": slotLink(d.slots[3].Relay, string(d.slots[3].Type)), "blackout": slotLink(d.slots[2].Relay, string(d.slots[2].Type)),
			"missing": "/slots/" + strings.Repeat("x", 63) + "/" + strings.Repeat("y", 63),
		} {
			for _, wide := range []int{400, 1280, 1920} {
				b.open(s.URL+path, wide)
				b.shoot(fmt.Sprintf("%s-%s-%d", kind, page, wide))
				if found := b.read(cutOff); found != "" {
					t.Errorf("%s %s at %d pixels:\n%s", kind, page, wide, found)
				}
			}
		}
	}
}
