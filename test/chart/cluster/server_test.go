package cluster

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/servers"
)

// server is a running kube-apiserver on loopback, with an etcd of its own: no
// controllers, no scheduler, no nodes.
type server struct {
	Address string `json:"address"` // https://host:port
	CA      string `json:"ca"`      // PEM; signed the server's certificate
	Token   string `json:"token"`   // of an administrator
}

// startServer builds the kube-apiserver if need be, starts it and waits until
// it is ready. It ends with the test.
func startServer(t *testing.T) *server {
	t.Helper()
	program, err := servers.Build("test/apiserver")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	p := servers.Start(t, program, 3*time.Minute, map[string]string{"folder": t.TempDir()}, s)
	t.Cleanup(p.Kill)
	return s
}

// kubeconfig returns the file with which an administrator's tools reach the server.
func (s *server) kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: admin, user: {token: %q}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
`, s.Address, base64.StdEncoding.EncodeToString([]byte(s.CA)), s.Token)
}
