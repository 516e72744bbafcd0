package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var share = flag.String("share", "", "write the manual page and the shells' completions into this folder")

// The manual page is made of the commands, here and not in the program, which needs none.
func TestTheManualPageTellsTheCommandsAndTheirFlags(t *testing.T) {
	root := newRoot(&app{config: "/etc/rotatord/config.yaml"})
	page := manualPage(root)
	writeShare(t, "rotatord.1", []byte(page))
	for _, want := range []string{
		".SS rotatord rotate RELAY[/TYPE]", `\-\-compromised`, ".SS rotatord tokens prune RELAY", `\-c, \-\-config`, ".SS rotatord completion\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := roff("a-b\n.c \\"); got != `a\-b`+"\n"+`\&.c \e` {
		t.Errorf("roff would take something for its own: %s", got)
	}
}

func TestEachShellHasItsCompletion(t *testing.T) {
	root := newRoot(&app{})
	for shell, complete := range map[string]func(io.Writer) error{
		"bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":  root.GenZshCompletion,
		"fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		var script bytes.Buffer
		if err := complete(&script); err != nil || !bytes.Contains(script.Bytes(), []byte("__complete")) {
			t.Errorf("the completion for %s does not ask rotatord: %v", shell, err)
		}
		writeShare(t, "rotatord."+shell, script.Bytes())
	}
}

// writeShare writes what packages bring beside the program, where it was asked for.
func writeShare(t *testing.T, name string, text []byte) {
	t.Helper()
	if *share == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*share, name), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// allCommands are root's commands at any depth, without help's and the shells' own.
func allCommands(root *cobra.Command) []*cobra.Command {
	var found []*cobra.Command
	for _, cmd := range root.Commands() {
		switch {
		case cmd.Name() == "help":
		case cmd.Name() == "completion":
			found = append(found, cmd)
		default:
			found = append(append(found, cmd), allCommands(cmd)...)
		}
	}
	return found
}

func manualPage(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH ROTATORD 1\n.SH NAME\nrotatord \\- %s\n", roff(root.Short))
	b.WriteString(".SH SYNOPSIS\n.B rotatord\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH COMMANDS\n")
	for _, cmd := range allCommands(root) {
		fmt.Fprintf(&b, ".SS %s\n%s\n%s", roff(usageLine(cmd)), paragraphs(cmd), flagLines(cmd.LocalNonPersistentFlags()))
	}
	b.WriteString(".SH OPTIONS OF ALL COMMANDS\n")
	b.WriteString(flagLines(root.PersistentFlags()) + manualRest)
	return b.String()
}

// usageLine is how a command is called, but for flags.
func usageLine(cmd *cobra.Command) string {
	return strings.TrimSuffix(cmd.UseLine(), " [flags]")
}

// paragraphs returns what a command's help says of it.
func paragraphs(cmd *cobra.Command) string {
	text := cmd.Long
	if text == "" || cmd.Name() == "completion" {
		text = cmd.Short + "."
	}
	return strings.ReplaceAll(roff(strings.TrimSpace(text)), "\n\n", "\n.PP\n")
}

func flagLines(flags interface{ FlagUsagesWrapped(int) string }) string {
	text := flags.FlagUsagesWrapped(76)
	if text == "" {
		return ""
	}
	return ".PP\n.nf\n" + roff(text) + ".fi\n"
}

// roff escapes what roff would take for its own.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(text)
	return regexp.MustCompile(`(?m)^([.'])`).ReplaceAllString(text, `\&$1`)
}

// manualRest is what the commands do not know.
const manualRest = `.SH FILES
.TP
.I /etc/rotatord/config.yaml
The configuration. /usr/share/doc/rotatord/examples has one with every key.
.TP
.I /etc/rotatord/cloudflare\-api\-token
The API token, which systemd hands to the service as a credential.
.TP
.I /var/lib/rotatord
The journal, and the identity that seals what lies in it.
.TP
.I /run/rotatord/admin.sock
By which commands reach the daemon.
.SH ENVIRONMENT
.TP
.B ROTATORD_CONFIG
The configuration file, where \-\-config is not given.
.TP
.B ROTATORD_SOCKET
The daemon's admin socket, where \-\-socket is not given.
.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Failed.
.TP
.B 2
Wrong use, or a wrong configuration.
.TP
.B 3
No daemon answers.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
https://github.com/rotatord/rotatord
`
