package awstest

import (
	"crypto/rand"
	"strings"
)

// Value returns the current value as a consumer reads it. A secret that is marked
// for deletion, or holds bytes, has none.
func (s *Server) Value(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, f := s.findLiving(id)
	if f != nil {
		return "", false
	}
	v := sec.versions[sec.versionAt(current)]
	if v == nil || v.text == nil {
		return "", false
	}
	return *v.text, true
}

// Lag has the next n reads of a secret by stage alone answer what was current before.
func (s *Server) Lag(id string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec, f := s.findSecret(id); f == nil {
		sec.stale = n
	}
}

// Versions counts a secret's versions, those without a label included.
func (s *Server) Versions(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, f := s.findSecret(id)
	if f != nil {
		return 0
	}
	return len(sec.versions)
}

// Make makes a secret that has no value yet.
func (s *Server) Make(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.createSecret(&request{Name: id, ClientRequestToken: strings.ToLower(rand.Text() + rand.Text())[:32]})
}

// Put makes value the current one under a token of its own, as somebody else would.
func (s *Server) Put(id, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := &request{Name: id, SecretID: id, ClientRequestToken: strings.ToLower(rand.Text() + rand.Text()), SecretString: &value}
	in.ClientRequestToken = in.ClientRequestToken[:32]
	if _, f := s.putSecretValue(in); f != nil {
		_, _ = s.createSecret(in)
	}
}
