package awssm

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// printed is what a credential_process may print: nothing in it looks like a secret by itself.
const printed = "the passphrase is correct horse battery staple"

// failing opens a sink whose credentials come from where setup says, and returns the error of its first call.
func failing(t *testing.T, setup func(dir string)) error {
	t.Helper()
	server := awstest.New(t)
	credentials(t, server)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	setup(t.TempDir())
	s := sinks.Decorate("aws-prod", Type, openSink(t, configFor(server)), 0, nil)
	_, err := s.Read(t.Context(), "moq/a")
	return err
}

func TestWhatACredentialProcessPrintsIsNeverPassedOn(t *testing.T) {
	for script, want := range map[string]string{
		"echo '" + printed + "'; echo '" + printed + "' >&2; exit 3":        "exit status 3",
		"echo '" + printed + "'":                                            "not the JSON that AWS describes",
		`echo '{"Version": 1, "SecretAccessKey": "` + printed + `"}'`:       "lacks Version 1, AccessKeyId or SecretAccessKey",
		`echo '{"Version": 1, "SessionToken": "` + printed + `", "x": 1'`:   "not the JSON that AWS describes",
		"exec /nonexistent/" + strings.ReplaceAll(printed, " ", "-") + " x": "exit status 127",
	} {
		err := failing(t, func(dir string) {
			config := filepath.Join(dir, "config")
			program := filepath.Join(dir, "program")
			must(t, os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
			must(t, os.WriteFile(config, []byte("[default]\ncredential_process = "+program+" 2>/dev/null\n"), 0o600))
			t.Setenv("AWS_CONFIG_FILE", config)
		})
		wantFault(t, "Read", err, fault.Retry, fault.Unauthorized, "run it by hand")
		if !strings.Contains(err.Error(), "credential_process") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
		if found := sinktest.ShownRun(err.Error(), printed); found != "" {
			t.Errorf("%s: the error shows %s: %v", script, found, err)
		}
	}
}

func TestWhatACredentialsEndpointSaysIsNeverPassedOn(t *testing.T) {
	for _, form := range []string{"%s", `{"code": "Oops", "message": "%s"}`} {
		asked := false
		endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked = true
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, fmt.Sprintf(form, printed))
		}))
		err := failing(t, func(string) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.URL+"/?secret="+strings.ReplaceAll(printed, " ", "+"))
		})
		endpoint.Close()
		if !asked || err == nil {
			t.Fatalf("the endpoint was not asked (%v): the test cannot fail", err)
		}
		if found := sinktest.ShownRun(err.Error(), printed); found != "" {
			t.Errorf("%s: the error shows %s: %v", form, found, err)
		}
		wantFault(t, "Read", err, fault.Retry, fault.Unauthorized, "not shown here")
	}
}
