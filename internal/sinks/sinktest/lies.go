package sinktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Lies is a store that says anything: an http.RoundTripper that answers each call with the next of
// Bodies, and then with the last.
type Lies struct {
	Status     int
	RetryAfter string
	Bodies     [][]byte
	calls      atomic.Int64
}

// maxLies is how many calls one operation may need; more, and it goes round in a circle.
const maxLies = 200

var errCircle = errors.New("the calls do not end")

// RoundTrip implements http.RoundTripper.
func (l *Lies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	n := int(l.calls.Add(1))
	if n > maxLies {
		panic(errCircle)
	}
	body := l.Bodies[min(n, len(l.Bodies))-1]
	header := http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(body))}}
	if l.RetryAfter != "" {
		header.Set("Retry-After", l.RetryAfter)
	}
	return &http.Response{
		Status: strconv.Itoa(l.Status), StatusCode: l.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// Lie turns what a fuzzer made up into answers: bodies are parted by a record separator.
func Lie(status uint16, retryAfter string, text []byte) *Lies {
	return &Lies{Status: 200 + int(status%400), RetryAfter: retryAfter, Bodies: bytes.Split(text, []byte{0x1e})}
}

// CallLying makes one call of s to target, as what s is told are lies, and demands that its error is one that
// can be acted on, and fit to be shown, without the value.
func CallLying(t *testing.T, s sinks.Sink, target string, call uint8) {
	content := secret.New(`{"token":"` + marker + `"}`)
	switch call % 3 {
	case 0:
		options := sinks.ProbeOptions{Read: true, Trial: content, Ours: func(secret.Value) bool { return true }}
		_, err := s.Probe(context.Background(), target, options)
		checkLie(t, "probe", err)
	case 1:
		_, err := s.Read(context.Background(), target)
		checkLie(t, "read", err)
	case 2:
		err := s.Write(context.Background(), target, content, sinks.WriteOptions{RotationID: "r"})
		checkLie(t, "write", err)
		NoLeak(t, err, marker) // it was sent
	}
}

func checkLie(t *testing.T, op string, err error) {
	if err == nil {
		return
	}
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok:
		t.Fatalf("%s: %T is no *fault.Error: %v", op, err, err)
	case f.Reason == fault.Internal:
		t.Errorf("%s: %v", op, err)
	case !slices.Contains(fault.Reasons(), f.Reason) || f.Class == fault.Ambiguous || f.After < 0:
		t.Errorf("%s is %s/%s, after %s: %v", op, f.Class, f.Reason, f.After, err)
	}
	FitToPrint(t, err.Error(), maxLine)
}

// maxLine is how many characters an error may take: its cause and its hint are cut.
const maxLine = 1600
