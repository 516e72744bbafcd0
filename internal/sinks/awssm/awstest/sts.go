package awstest

import (
	"crypto/rand"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type assumeRoleResponse struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      string
		}
		AssumedRoleUser struct {
			Arn           string
			AssumedRoleID string `xml:"AssumedRoleId"`
		}
	} `xml:"AssumeRoleResult"`
}

type stsError struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// serveSTS answers AssumeRole with keys of a session that the server knows from then on.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "AssumeRole" {
		writeSTSError(w, denied("InvalidAction", "Could not find operation %s", form.Get("Action")))
		return
	}
	s.note("AssumeRole")
	f := s.verify(r, body, "sts")
	if f == nil {
		f = s.injected("AssumeRole", form.Get("RoleArn"))
	}
	if f != nil {
		f.wait(r)
		writeSTSError(w, f)
		return
	}
	writeXML(w, http.StatusOK, s.assume(form.Get("RoleArn"), form.Get("RoleSessionName")))
}

func (s *Server) assume(role, session string) assumeRoleResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out assumeRoleResponse
	c := &out.Result.Credentials
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken = "ASIA"+rand.Text()[:16], rand.Text(), rand.Text()
	c.Expiration = time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	out.Result.AssumedRoleUser.Arn = strings.Replace(role, ":role/", ":assumed-role/", 1) + "/" + session
	out.Result.AssumedRoleUser.AssumedRoleID = "AROATEST:" + session
	s.keys[c.AccessKeyID] = accessKey{secret: c.SecretAccessKey, token: c.SessionToken}
	return out
}

func writeSTSError(w http.ResponseWriter, f *Failure) {
	if f.Lost || f.Dropped || f.Hang != nil {
		panic(http.ErrAbortHandler)
	}
	// STS leaves out the word that Secrets Manager's codes end with.
	code := strings.TrimSuffix(f.Code, "Exception")
	writeXML(w, max(f.Status, http.StatusBadRequest), stsError{
		Type: "Sender", Code: code, Message: f.Message, RequestID: w.Header().Get("X-Amzn-Requestid"),
	})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}
