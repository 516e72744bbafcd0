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
	Result  session  `xml:"AssumeRoleResult"`
}

type webIdentityResponse struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithWebIdentityResponse"`
	Result  session  `xml:"AssumeRoleWithWebIdentityResult"`
}

type session struct {
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
}

type stsError struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// WebIdentityToken is the one web identity token that STS takes.
const WebIdentityToken = "web-identity-token"

// serveSTS answers AssumeRole and AssumeRoleWithWebIdentity with keys of a session
// that the server knows from then on.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	op := form.Get("Action")
	if err != nil || op != "AssumeRole" && op != "AssumeRoleWithWebIdentity" {
		writeSTSError(w, signatureRefused("InvalidAction", "Could not find operation %s", op))
		return
	}
	s.noteCall(op, "sts:"+op)
	if f := s.checkIdentity(r, body, form); f != nil {
		f.wait(r)
		writeSTSError(w, f)
		return
	}
	keys := s.assumeRole(form.Get("RoleArn"), form.Get("RoleSessionName"))
	if op == "AssumeRole" {
		writeXML(w, http.StatusOK, assumeRoleResponse{Result: keys})
		return
	}
	writeXML(w, http.StatusOK, webIdentityResponse{Result: keys})
}

// checkIdentity refuses who does not prove who they are: by signature, or by a web identity.
func (s *Server) checkIdentity(r *http.Request, body []byte, form url.Values) *Failure {
	var f *Failure
	if form.Get("Action") == "AssumeRole" {
		f = s.verifySignature(r, body, "sts")
	} else if form.Get("WebIdentityToken") != WebIdentityToken {
		f = failWith("InvalidIdentityToken", "No OpenIDConnect provider found in your account")
	}
	if f == nil {
		f = s.injectedFailure(form.Get("Action"), form.Get("RoleArn"))
	}
	return f
}

func (s *Server) assumeRole(role, name string) session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out session
	c := &out.Credentials
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken = "ASIA"+rand.Text()[:16], rand.Text(), rand.Text()
	c.Expiration = time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	out.AssumedRoleUser.Arn = strings.Replace(role, ":role/", ":assumed-role/", 1) + "/" + name
	out.AssumedRoleUser.AssumedRoleID = "AROATEST:" + name
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
